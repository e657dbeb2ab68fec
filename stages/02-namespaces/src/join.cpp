#include "02-namespaces/join.hpp"

#include <fcntl.h>
#include <sched.h>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/file.hpp"

namespace drydock {

// [region: join-namespaces]
void join_namespaces(int pidfd, std::uint64_t flags) {
    // All in one call: joining one by one would leave us, half-way, in some and not in others,
    // where the container's processes could get at us.
    check(::setns(pidfd, static_cast<int>(flags)), "setns(pidfd, {})", clone_flag_names(flags));
}
// [/region]

void join_namespace(const std::filesystem::path& path, std::uint64_t flag) {
    const UniqueFd fd = open_file(path, O_RDONLY);
    check(::setns(fd.get(), static_cast<int>(flag)), "setns({}, {})", path.native(),
          clone_flag_names(flag));
}

void make_namespaces(std::uint64_t flags) {
    check(::unshare(static_cast<int>(flags)), "unshare({})", clone_flag_names(flags));
}

}  // namespace drydock
