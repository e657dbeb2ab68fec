#include "byte_stream.hpp"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "01-chroot/check.hpp"

namespace drydock {
namespace {

constexpr std::size_t kReadBlock = std::size_t{256} << 10U;

}  // namespace

FileStream::FileStream(int fd, std::string name, std::function<bool(std::uint64_t)> more)
    : fd_(fd),
      name_(std::move(name)),
      more_(std::move(more)),
      buffer_(std::make_unique<std::byte[]>(kReadBlock)) {}

std::span<const std::byte> FileStream::next() {
    if (unread_ != 0) {
        const std::size_t count = std::exchange(unread_, 0);
        return {buffer_.get() + (size_ - count), count};
    }
    size_ = 0;
    while (size_ < kReadBlock) {  // a pipe gives less at once
        const ssize_t n = ::read(fd_, buffer_.get() + size_, kReadBlock - size_);
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (check(n, "read({})", name_) == 0) {
            if (more_ && more_(bytes_ + size_)) {
                continue;  // the file is still being written
            }
            break;
        }
        size_ += static_cast<std::size_t>(n);
    }
    bytes_ += size_;
    return {buffer_.get(), size_};
}

}  // namespace drydock
