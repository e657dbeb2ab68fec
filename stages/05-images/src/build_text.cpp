#include "build_text.hpp"

#include <algorithm>
#include <utility>

namespace drydock {

constexpr std::size_t kMostKept = std::size_t{1} << 20U;

void BuildText::begin(std::size_t stage) {
    const std::lock_guard lock(mutex_);
    stages_.resize(std::max(stages_.size(), stage + 1));
    stages_[stage].part = Part::Open;
}

/// Nothing before it is still to come.
bool BuildText::is_heard(std::size_t stage) const {
    return std::none_of(stages_.begin(), stages_.begin() + static_cast<std::ptrdiff_t>(stage),
                        [](const Stage& earlier) { return earlier.part == Part::Open; });
}

/// What was kept of the stages whose turn it is.
void BuildText::hand_on() {
    for (Stage& stage : stages_) {
        if (const std::string kept = std::exchange(stage.kept, {}); !kept.empty()) {
            out_(kept);
        }
        if (stage.part == Part::Open) {
            break;
        }
    }
}

void BuildText::say(std::size_t stage, const std::string& text) {
    const std::lock_guard lock(mutex_);
    Stage& own = stages_[stage];
    if (is_heard(stage)) {
        out_(text);
    } else if (own.kept.size() + text.size() <= kMostKept) {
        own.kept += text;
    } else if (!std::exchange(own.clipped, true)) {
        own.kept += "[output clipped: a MiB is kept of a stage that waits to be heard]\n";
    }
}

void BuildText::end(std::size_t stage) {
    const std::lock_guard lock(mutex_);
    stages_[stage].part = Part::Closed;
    hand_on();
}

}  // namespace drydock
