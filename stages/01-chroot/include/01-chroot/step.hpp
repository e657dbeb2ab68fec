#pragma once

#include <cstddef>
#include <string_view>

namespace drydock {

/// Who does a step: the program that starts the container, or the child that becomes it.
enum class Side { Host, Child };

/// One row of the table that is a stage: a kernel facility with a name. `Start` is what the stage
/// knows about one start: its configuration and the owners of what the steps make. There is no undo
/// column: undoing is the owners' destructors, in reverse order, whether a step failed, the command
/// ended or Ctrl-C came.
template <class Start>
struct Step {
    std::string_view name;  ///< "pivot-root": for --explain, --without, DRYDOCK_FAIL and the book
    Side side;
    void (*does)(Start&);
    std::string_view see;  ///< where to read more: "pivot_root(2), NOTES"
    /// Asked once, before the first step: a row that does not apply is none of this walk. Null: it
    /// always does. For rows that would have one side wait for the other in vain.
    bool (*applies)(const Start&) = nullptr;
};

/// A row without what it does.
struct StepLabel {
    std::string_view name;
    Side side;
    std::string_view see;
};

}  // namespace drydock
