#include "07-compose/engine/waiter.hpp"

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {

WaitCondition parse_wait_condition(std::string_view text) {
    if (text.empty() || text == "not-running") {
        return WaitCondition::NotRunning;
    }
    if (text == "next-exit") {
        return WaitCondition::NextExit;
    }
    if (text == "removed") {
        return WaitCondition::Removed;
    }
    throw InputError(fmt::format(
        R"(invalid condition: "{}": expected not-running, next-exit or removed)", text));
}

}  // namespace drydock
