#include "report.hpp"

namespace drydock {

void Report::line(const std::string& id, const std::string& status) const {
    if (*callback_) {
        (*callback_)({.id = id, .status = status});
    }
}

void Report::bytes(const std::string& id, const std::string& status, std::uint64_t current,
                   std::uint64_t total) const {
    const auto now = std::chrono::steady_clock::now();
    if (*callback_ && (current == total || now - last_ >= std::chrono::milliseconds(100))) {
        last_ = now;
        last_bytes_ = {.id = id, .status = status, .current = current, .total = total};
        (*callback_)(last_bytes_);
    }
}

void Report::tick() const {
    const auto now = std::chrono::steady_clock::now();
    if (*callback_ && last_bytes_.total != 0 && now - last_ >= std::chrono::seconds(1)) {
        last_ = now;
        (*callback_)(last_bytes_);
    }
}

std::string short_id(const Digest& digest) {
    return std::string(digest.hex().substr(0, 12));
}

}  // namespace drydock
