#include "01-chroot/descriptors.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock {

void close_descriptors_but(std::span<const int> keep) {
    std::vector<int> kept(keep.begin(), keep.end());
    std::ranges::sort(kept);
    unsigned next = 0;
    for (const int fd : kept) {
        if (fd < 0 || static_cast<unsigned>(fd) < next) {
            continue;
        }
        const auto number = static_cast<unsigned>(fd);
        if (number > next) {
            check(::syscall(SYS_close_range, next, number - 1, 0U), "close_range({}, {})", next,
                  number - 1);
        }
        next = number + 1;
    }
    check(::syscall(SYS_close_range, next, ~0U, 0U), "close_range({}, ~0)", next);
}

void check_preserved_descriptors(unsigned count) {
    constexpr int kFirst = 3;
    for (unsigned i = 0; i < count; ++i) {
        const int fd = kFirst + static_cast<int>(i);
        if (::fcntl(fd, F_GETFD) == -1) {
            throw InputError(
                fmt::format("--preserve-fds {}: descriptor {} is not open; expected 3 to {} to be",
                            count, fd, kFirst + count - 1));
        }
    }
}

}  // namespace drydock
