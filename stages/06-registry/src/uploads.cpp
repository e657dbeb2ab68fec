#include "uploads.hpp"

#include <fcntl.h>
#include <sys/random.h>

#include <array>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "registry_error.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxUploads = 1024;
constexpr auto kMaxRest = std::chrono::hours(1);

/// A UUID of version 4, as the distribution-spec wants one in the location of an upload.
/// @see RFC 9562, 5.4
std::string random_id() {
    std::array<unsigned char, 16> bytes{};
    check(::getrandom(bytes.data(), bytes.size(), 0), "getrandom({})", bytes.size());
    bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0fU) | 0x40U);
    bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3fU) | 0x80U);
    std::string id = fmt::format("{:02x}", fmt::join(bytes, ""));
    for (const std::size_t dash : {8U, 13U, 18U, 23U}) {
        id.insert(dash, 1, '-');
    }
    return id;
}

/// What random_id() makes, and nothing that could be a path.
bool is_upload_id(std::string_view id) {
    return id.size() == 36 && id.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

fs::path bytes_of(const ContentStore& store, const std::string& id) {
    return store.root() / "tmp" / ("upload-" + id);
}

}  // namespace

Uploads::Uploads(const ContentStore& store, fs::path directory)
    : store_(&store), directory_(std::move(directory)) {
    fs::create_directories(directory_);
    std::set<std::string> living;
    for (const auto& entry : fs::directory_iterator(directory_)) {
        const std::string id = entry.path().filename().native();
        const fs::path bytes = bytes_of(store, id);
        if (is_upload_id(id) && fs::exists(bytes)) {
            living.insert(bytes.filename().native());
        } else {
            remove_tree(entry.path());
        }
    }
    for (const auto& entry : fs::directory_iterator(store.root() / "tmp")) {
        if (!living.contains(entry.path().filename().native())) {
            remove_tree(entry.path());
        }
    }
}

/// Closes those that nobody has asked for lately: their bytes stay.
void Uploads::let_rest() {
    const auto oldest = std::chrono::steady_clock::now() - kMaxRest;
    std::erase_if(uploads_, [&](const auto& entry) {
        return entry.second->touched < oldest && entry.second.use_count() == 1;
    });
}

std::string Uploads::begin(const std::string& repository) {
    const std::lock_guard lock(mutex_);
    let_rest();
    if (uploads_.size() >= kMaxUploads) {
        throw registry_refusal(429, "TOOMANYREQUESTS", "too many uploads are under way",
                               {{.name = "Retry-After", .value = "5"}});
    }
    std::string id = random_id();
    const auto upload = std::make_shared<Upload>(repository, store_->begin("upload-" + id));
    upload->touched = std::chrono::steady_clock::now();
    const UniqueFd directory = open_file(directory_, O_RDONLY | O_DIRECTORY);
    replace_file(directory.get(), id, repository, 0600, Lasts::Kill);
    uploads_.emplace(id, upload);
    return id;
}

// [region: reopen-upload]
/// One of an earlier server, or one that rested: its bytes are read again, so that the digest can
/// go on. Null when there is none.
std::shared_ptr<Upload> Uploads::reopen(const std::string& repository, const std::string& id) {
    constexpr std::size_t kMaxUploadRecord = 1024;
    if (!is_upload_id(id) || !fs::exists(directory_ / id) ||
        read_file(directory_ / id, kMaxUploadRecord) != repository ||
        !fs::exists(bytes_of(*store_, id))) {
        return nullptr;
    }
    return uploads_.emplace(id, std::make_shared<Upload>(repository, store_->begin("upload-" + id)))
        .first->second;
}
// [/region]

std::shared_ptr<Upload> Uploads::find(const std::string& repository, const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto known = uploads_.find(id);
    const auto found = known == uploads_.end() ? reopen(repository, id) : known->second;
    if (!found || found->repository != repository) {
        throw registry_refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    }
    found->touched = std::chrono::steady_clock::now();
    return found;
}

void Uploads::forget_stale(std::chrono::seconds age, RegistryGarbage& garbage) {
    const std::lock_guard lock(mutex_);
    const auto oldest = fs::file_time_type::clock::now() - age;
    for (const auto& entry : fs::directory_iterator(directory_)) {
        const std::string id = entry.path().filename().native();
        const fs::path bytes = bytes_of(*store_, id);
        const auto known = uploads_.find(id);
        std::error_code gone;
        const bool used = known != uploads_.end() && known->second.use_count() > 1;
        if (!is_upload_id(id) || used || fs::last_write_time(bytes, gone) > oldest) {
            continue;
        }
        const auto size = fs::file_size(bytes, gone);
        garbage.bytes += gone ? 0 : size;
        ++garbage.uploads;
        if (known != uploads_.end()) {
            known->second->ended = true;
            uploads_.erase(known);
        }
        fs::remove(bytes, gone);
        fs::remove(entry.path(), gone);
    }
}

void Uploads::end(const std::string& id) {
    const std::lock_guard lock(mutex_);
    uploads_.erase(id);
    std::error_code gone;
    fs::remove(directory_ / id, gone);
}

}  // namespace drydock
