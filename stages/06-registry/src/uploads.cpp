#include "uploads.hpp"

#include <sys/random.h>

#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/check.hpp"

#include "registry_error.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMaxUploads = 1024;
constexpr auto kMaxRest = std::chrono::hours(1);

std::string random_id() {
    std::array<unsigned char, 16> bytes{};
    check(::getrandom(bytes.data(), bytes.size(), 0), "getrandom({})", bytes.size());
    return fmt::format("{:02x}", fmt::join(bytes, ""));
}

}  // namespace

void Uploads::purge() {
    const auto oldest = std::chrono::steady_clock::now() - kMaxRest;
    std::erase_if(uploads_, [&](const auto& entry) {
        return entry.second->touched < oldest && entry.second.use_count() == 1;
    });
}

std::string Uploads::begin(const std::string& repository) {
    const std::lock_guard lock(mutex_);
    purge();
    if (uploads_.size() >= kMaxUploads) {
        throw registry_refusal(429, "TOOMANYREQUESTS", "too many uploads are under way",
                               {{.name = "Retry-After", .value = "5"}});
    }
    std::string id = random_id();
    uploads_.emplace(id, std::make_shared<Upload>(repository, store_->begin()))
        .first->second->touched = std::chrono::steady_clock::now();
    return id;
}

std::shared_ptr<Upload> Uploads::find(const std::string& repository, const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto found = uploads_.find(id);
    if (found == uploads_.end() || found->second->repository != repository) {
        throw registry_refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    }
    found->second->touched = std::chrono::steady_clock::now();
    return found->second;
}

void Uploads::end(const std::string& id) {
    const std::lock_guard lock(mutex_);
    uploads_.erase(id);
}

}  // namespace drydock
