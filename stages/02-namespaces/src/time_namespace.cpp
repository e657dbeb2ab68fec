#include "02-namespaces/time_namespace.hpp"

#include <fcntl.h>
#include <sched.h>

#include <ctime>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/join.hpp"

namespace drydock {

void enter_time_namespace(std::span<const ClockOffset> offsets) {
    // Not with the clone: the offsets can be set only until the first process is in the namespace,
    // and unshare makes one for children only.
    check(::unshare(CLONE_NEWTIME), "unshare(CLONE_NEWTIME)");
    const UniqueFd self = open_file("/proc/self", O_PATH | O_DIRECTORY);
    for (const ClockOffset& offset : offsets) {
        try {
            write_once(self.get(), "timens_offsets",
                       fmt::format("{} {} {}", offset.clock, offset.seconds, offset.nanoseconds));
        } catch (const std::system_error& e) {
            if (e.code() == std::errc::result_out_of_range) {
                throw InputError(fmt::format(
                    "time offset of {} seconds: expected one with which the clock is not negative",
                    offset.seconds));
            }
            throw;
        }
    }
    join_namespace("/proc/self/ns/time_for_children", CLONE_NEWTIME);
}

}  // namespace drydock
