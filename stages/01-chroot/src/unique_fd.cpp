#include "01-chroot/unique_fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "01-chroot/check.hpp"

namespace drydock {

UniqueFd::~UniqueFd() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

UniqueFd::UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
    // `other` takes the old descriptor along and closes it, also in a self-assignment.
    std::swap(fd_, other.fd_);
    return *this;
}

int UniqueFd::release() noexcept {
    return std::exchange(fd_, -1);
}

void UniqueFd::close() {
    const int fd = std::exchange(fd_, -1);
    if (fd >= 0) {
        check(::close(fd), "close(fd={})", fd);
    }
}

Pipe make_pipe() {
    std::array<int, 2> ends{};
    check(::pipe2(ends.data(), O_CLOEXEC), "pipe2(flags=O_CLOEXEC)");
    return {.read = UniqueFd(ends[0]), .write = UniqueFd(ends[1])};
}

}  // namespace drydock
