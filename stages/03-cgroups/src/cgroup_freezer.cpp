#include "cgroup_freezer.hpp"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

using FreezeClock = std::chrono::steady_clock;
// A process in an uninterruptible wait, on a dead network file system say, stops only when that
// ends.
constexpr std::chrono::seconds kFreezeWithin(10);

[[noreturn]] void throw_not_frozen(const CgroupDirectory& directory) {
    throw std::system_error(
        ETIMEDOUT, std::generic_category(),
        fmt::format("freeze {}: a process in it cannot be stopped", directory.path.native()));
}

}  // namespace

void freeze_v1(const CgroupDirectory& directory) {
    constexpr std::chrono::milliseconds kTryAgainAfter(50);
    const auto deadline = FreezeClock::now() + kFreezeWithin;
    try {
        auto pause = std::chrono::microseconds(50);
        auto again = FreezeClock::now();
        while (!is_frozen_v1(directory)) {
            const auto now = FreezeClock::now();
            if (now > deadline) {
                throw_not_frozen(directory);
            }
            if (now >= again) {
                // One that forks all the time gets away from one try, but not from many: each
                // begins anew with those there are now.
                write_once(directory.fd.get(), "freezer.state", "THAWED");
                write_once(directory.fd.get(), "freezer.state", "FROZEN");
                again = now + kTryAgainAfter;
                continue;
            }
            // v1 tells nobody when all stand still: only the file says so.
            std::this_thread::sleep_for(pause);
            pause = std::min<std::chrono::microseconds>(pause * 2, std::chrono::milliseconds(5));
        }
    } catch (...) {
        thaw_v1(directory);
        throw;
    }
}

void thaw_v1(const CgroupDirectory& directory) {
    write_once(directory.fd.get(), "freezer.state", "THAWED");
}

bool is_frozen_v1(const CgroupDirectory& directory) {
    return read_value(directory, "freezer.state") == "FROZEN";
}

// [region: freeze-v2]
void freeze_v2(const CgroupDirectory& directory) {
    const UniqueFd events = open_at(directory.fd.get(), "cgroup.events", O_RDONLY);
    const auto deadline = FreezeClock::now() + kFreezeWithin;
    try {
        write_once(directory.fd.get(), "cgroup.freeze", "1");
        while (!is_frozen_v2(directory)) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                deadline - FreezeClock::now());
            if (left.count() <= 0) {
                throw_not_frozen(directory);
            }
            // cgroup.events wakes who polls it when it changes. Looking again now and then costs
            // little, and a change between the look above and the poll is not missed.
            constexpr int kLookAgainMs = 20;
            pollfd changed{.fd = events.get(), .events = POLLPRI, .revents = 0};
            check(::poll(&changed, 1, kLookAgainMs), "poll(cgroup.events)");
        }
    } catch (...) {
        thaw_v2(directory);
        throw;
    }
}
// [/region]

void thaw_v2(const CgroupDirectory& directory) {
    write_once(directory.fd.get(), "cgroup.freeze", "0");
}

bool is_frozen_v2(const CgroupDirectory& directory) {
    return read_keyed(directory, "cgroup.events", "frozen") == 1;
}

}  // namespace drydock
