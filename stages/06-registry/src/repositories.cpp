#include "repositories.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

constexpr std::size_t kMaxRecord = 1024;

void sync_directory(const fs::path& path) {
    const UniqueFd directory = open_file(path, O_RDONLY | O_DIRECTORY);
    check(::fsync(directory.get()), "fsync({})", path.native());
}

/// A new directory is on disk only when its parent is.
void make_directories(const fs::path& path) {
    if (fs::is_directory(path)) {
        return;
    }
    make_directories(path.parent_path());
    if (::mkdir(path.c_str(), 0700) == -1 && errno != EEXIST) {
        check(-1, "mkdir({})", path.native());
    }
    sync_directory(path.parent_path());
}

std::optional<std::string> read_record(const fs::path& path) {
    try {
        return read_file(path, kMaxRecord);
    } catch (const std::system_error& error) {
        if (error.code() == std::errc::no_such_file_or_directory) {
            return std::nullopt;
        }
        throw;
    }
}

bool remove_file(const fs::path& directory, const std::string& file) {
    const fs::path path = directory / file;
    if (::unlink(path.c_str()) == -1) {
        if (errno == ENOENT) {
            return false;
        }
        check(-1, "unlink({})", path.native());
    }
    sync_directory(directory);
    return true;
}

std::vector<std::string> entries(const fs::path& directory) {
    std::vector<std::string> result;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(directory, none)) {
        std::string name = entry.path().filename().native();
        if (!name.starts_with('.')) {  // a record that is being replaced
            result.push_back(std::move(name));
        }
    }
    std::ranges::sort(result);
    return result;
}

/// The names of files in `directory`, each of which is the hexadecimal part of a digest.
std::vector<Digest> digests_in(const fs::path& directory) {
    std::vector<Digest> result;
    for (const std::string& hex : entries(directory)) {
        result.push_back(parse_digest("sha256:" + hex, (directory / hex).native()));
    }
    return result;
}

}  // namespace

Repositories::Repositories(fs::path directory) : directory_(std::move(directory)) {
    make_directories(directory_);
}

fs::path Repositories::blobs(const std::string& name) const {
    return directory_ / name / "_blobs";
}
fs::path Repositories::revisions(const std::string& name) const {
    return directory_ / name / "_manifests/revisions";
}
fs::path Repositories::tag_directory(const std::string& name) const {
    return directory_ / name / "_manifests/tags";
}

void Repositories::write(const fs::path& directory, const std::string& file,
                         std::string_view text) {
    const auto together = changes_.together();
    {
        // Who finds a directory there has to know that it is on disk.
        const std::lock_guard alone(making_);
        make_directories(directory);
    }
    const UniqueFd opened = open_file(directory, O_RDONLY | O_DIRECTORY);
    replace_file(opened.get(), file, text);
}

bool Repositories::contains(const std::string& name) const {
    return fs::is_directory(directory_ / name / "_manifests");
}

/// Tells `visit` every directory of the tree that is a repository's: the path, and what in it is
/// ours
/// ("_manifests", "_blobs"). It ends early when `visit` says true.
void Repositories::walk(
    const std::function<bool(const std::string& name, const std::string& part)>& visit) const {
    for (auto entry = fs::recursive_directory_iterator(directory_);
         entry != fs::recursive_directory_iterator(); ++entry) {
        const std::string file = entry->path().filename().native();
        if (file.starts_with('_') &&
            visit(entry->path().parent_path().lexically_relative(directory_).native(), file)) {
            return;
        }
        if (file.starts_with('_') || !entry->is_directory()) {
            entry.disable_recursion_pending();
        }
    }
}

std::vector<std::string> Repositories::names() const {
    std::vector<std::string> result;
    walk([&](const std::string& name, const std::string& part) {
        if (part == "_manifests") {
            result.push_back(name);
        }
        return false;
    });
    std::ranges::sort(result);
    return result;
}

std::vector<std::string> Repositories::all() const {
    std::set<std::string> result;
    walk([&](const std::string& name, const std::string&) {
        result.insert(name);
        return false;
    });
    return {result.begin(), result.end()};
}

std::vector<Digest> Repositories::blob_links(const std::string& name) const {
    return digests_in(blobs(name));
}

std::vector<Digest> Repositories::manifests(const std::string& name) const {
    return digests_in(revisions(name));
}

std::optional<std::string> Repositories::repository_with(
    const Digest& digest, const std::function<bool(const std::string& name)>& fits) const {
    std::optional<std::string> result;
    walk([&](const std::string& name, const std::string& part) {
        if (part == "_blobs" && has_blob(name, digest) && fits(name)) {
            result = name;
        }
        return result.has_value();
    });
    return result;
}

bool Repositories::has_blob(const std::string& name, const Digest& digest) const {
    return fs::exists(blobs(name) / digest.hex());
}

void Repositories::add_blob(const std::string& name, const Digest& digest) {
    if (!has_blob(name, digest)) {
        write(blobs(name), std::string(digest.hex()), "");
    }
}

bool Repositories::remove_blob(const std::string& name, const Digest& digest) {
    const auto alone = changes_.alone();
    return remove_file(blobs(name), std::string(digest.hex()));
}

std::optional<std::string> Repositories::manifest_type(const std::string& name,
                                                       const Digest& digest) const {
    return read_record(revisions(name) / digest.hex());
}

void Repositories::add_manifest(const std::string& name, const Digest& digest,
                                const std::string& media_type) {
    write(revisions(name), std::string(digest.hex()), media_type);
}

bool Repositories::remove_manifest(const std::string& name, const Digest& digest) {
    const auto alone = changes_.alone();
    for (const std::string& tag_name : tags(name)) {
        if (tag(name, tag_name) == digest) {
            remove_file(tag_directory(name), tag_name);
        }
    }
    return remove_file(revisions(name), std::string(digest.hex()));
}

fs::path Repositories::referrer_directory(const std::string& name, const Digest& subject) const {
    return directory_ / name / "_referrers" / subject.hex();
}

std::set<Digest> Repositories::referrers(const std::string& name, const Digest& subject) const {
    std::set<Digest> result;
    for (const Digest& manifest : digests_in(referrer_directory(name, subject))) {
        if (manifest_type(name, manifest)) {
            result.insert(manifest);
        }
    }
    return result;
}

void Repositories::forget_stale_referrers(const std::string& name) {
    const auto alone = changes_.alone();
    for (const Digest& subject : digests_in(directory_ / name / "_referrers")) {
        const fs::path directory = referrer_directory(name, subject);
        for (const Digest& manifest : digests_in(directory)) {
            if (!manifest_type(name, manifest)) {
                remove_file(directory, std::string(manifest.hex()));
            }
        }
        std::error_code not_empty;
        fs::remove(directory, not_empty);
    }
}

void Repositories::add_referrer(const std::string& name, const Digest& subject,
                                const Digest& manifest) {
    write(referrer_directory(name, subject), std::string(manifest.hex()), "");
}

std::optional<Digest> Repositories::tag(const std::string& name, const std::string& tag) const {
    const auto text = read_record(tag_directory(name) / tag);
    return text ? std::optional(parse_digest(*text, "tag " + name + ":" + tag)) : std::nullopt;
}

std::vector<std::string> Repositories::tags(const std::string& name) const {
    return entries(tag_directory(name));
}

void Repositories::set_tag(const std::string& name, const std::string& tag, const Digest& digest) {
    write(tag_directory(name), tag, digest.text());
}

bool Repositories::remove_tag(const std::string& name, const std::string& tag) {
    const auto alone = changes_.alone();
    return remove_file(tag_directory(name), tag);
}

}  // namespace drydock
