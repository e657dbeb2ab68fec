#include "03-cgroups/oom_events.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

#include "cgroup_directory.hpp"

namespace drydock {
namespace {

/// The number of `key` in a file of "key number" lines, read from its beginning; -1 when the group
/// is gone (ENODEV) or has no such line.
std::int64_t count_in(int file, std::string_view key) {
    std::array<char, 4096> buffer{};
    const ssize_t n = ::pread(file, buffer.data(), buffer.size(), 0);
    return n <= 0 ? -1 : keyed_number({buffer.data(), static_cast<std::size_t>(n)}, key);
}

}  // namespace

OomEvents OomEvents::of_v1(int directory) {
    OomEvents result;
    result.is_v1_ = true;
    result.counter_ = open_at(directory, "memory.oom_control", O_RDONLY);
    result.events_ =
        UniqueFd(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd(0, EFD_CLOEXEC)"));
    write_once(directory, "cgroup.event_control",
               fmt::format("{} {}", result.events_.get(), result.counter_.get()));
    return result;
}

OomEvents OomEvents::of_v2(int directory) {
    OomEvents result;
    result.counter_ = open_at(directory, "memory.events", O_RDONLY);
    result.events_ =
        UniqueFd(check(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1(IN_CLOEXEC)"));
    // By descriptor: a path could lead elsewhere by now.
    const std::string path = fmt::format("/proc/self/fd/{}", result.counter_.get());
    check(::inotify_add_watch(result.events_.get(), path.c_str(), IN_MODIFY),
          "inotify_add_watch(memory.events, IN_MODIFY)");
    result.seen_ = std::max<std::int64_t>(0, count_in(result.counter_.get(), "oom_kill"));
    return result;
}

std::int64_t OomEvents::take() {
    if (!events_) {
        return 0;
    }
    std::array<char, 4096> buffer{};
    const ssize_t n = ::read(events_.get(), buffer.data(), buffer.size());
    if (is_v1_) {
        // Told before the kernel kills, so the count of kills may lag behind; and once more when
        // the group is removed, which is no event.
        const bool happened =
            n == sizeof(std::uint64_t) && count_in(counter_.get(), "under_oom") >= 0;
        return happened ? 1 : 0;
    }
    const std::int64_t now = std::max(seen_, count_in(counter_.get(), "oom_kill"));
    return now - std::exchange(seen_, now);
}

}  // namespace drydock
