#include "07-compose/cli/log_stream.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock::cli {
namespace {
constexpr std::size_t kHeaderSize = 8;
}  // namespace

void Demultiplexer::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        if (left_ == 0) {
            const std::size_t taken = std::min(kHeaderSize - header_.size(), bytes.size());
            header_ += bytes.substr(0, taken);
            bytes.remove_prefix(taken);
            if (header_.size() < kHeaderSize) {
                return;
            }
            begin_frame();
            continue;
        }
        const std::size_t taken = std::min(left_, bytes.size());
        sink_(output_, bytes.substr(0, taken));
        bytes.remove_prefix(taken);
        left_ -= taken;
    }
}

void Demultiplexer::begin_frame() {
    const auto byte = [&](std::size_t i) {
        return static_cast<std::size_t>(static_cast<unsigned char>(header_[i]));
    };
    if (byte(0) > 2) {
        throw InputError(
            fmt::format("the daemon's log stream has a frame of unknown type {}", byte(0)));
    }
    output_ = byte(0) == 2 ? Output::Stderr : Output::Stdout;
    left_ = byte(4) << 24U | byte(5) << 16U | byte(6) << 8U | byte(7);
    header_.clear();
}

void LineSplitter::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        if (end == std::string_view::npos) {
            line_ += bytes;
            return;
        }
        line_ += bytes.substr(0, end + 1);
        bytes.remove_prefix(end + 1);
        sink_(std::exchange(line_, {}));
    }
}

void LineSplitter::flush() {
    if (!line_.empty()) {
        sink_(std::exchange(line_, {}));
    }
}

}  // namespace drydock::cli
