#include "04-layers/content_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/directory.hpp"

namespace drydock {
namespace {

constexpr std::string_view kLayout = R"({"imageLayoutVersion":"1.0.0"})";
constexpr std::string_view kEmptyIndex =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";
constexpr std::size_t kIndexLimit = std::size_t{64} << 20U;

bool is_there(int dir, const std::string& name) {
    return ::faccessat(dir, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

[[noreturn]] void throw_missing(const Digest& digest, const std::filesystem::path& root) {
    throw InputError(
        fmt::format("blob {}: not in the content store {}", digest.text(), root.native()));
}

}  // namespace

ContentStore::ContentStore(std::filesystem::path root) : root_(std::move(root)) {
    root_fd_ = make_directory(root_);
    const UniqueFd algorithms = make_directory_at(root_fd_.get(), "blobs");
    blobs_ = make_directory_at(algorithms.get(), "sha256");
    temporary_ = make_directory_at(root_fd_.get(), "tmp");
    if (!is_there(root_fd_.get(), "index.json")) {
        replace_file(root_fd_.get(), "index.json", kEmptyIndex, 0644);
    }
    if (!is_there(root_fd_.get(), "oci-layout")) {
        replace_file(root_fd_.get(), "oci-layout", kLayout, 0644);
    }
}

bool ContentStore::contains(const Digest& digest) const {
    return digest && is_there(blobs_.get(), std::string(digest.hex()));
}

UniqueFd ContentStore::open(const Digest& digest) const {
    const std::string name(digest.hex());
    UniqueFd fd(::openat(blobs_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd && errno == ENOENT) {
        throw_missing(digest, root_);
    }
    check(fd.get(), "open({}, O_RDONLY|O_NOFOLLOW)", path_of(digest).native());
    return fd;
}

std::uint64_t ContentStore::size(const Digest& digest) const {
    const UniqueFd fd = open(digest);
    struct stat status{};
    check(::fstat(fd.get(), &status), "fstat({})", path_of(digest).native());
    return static_cast<std::uint64_t>(status.st_size);
}

std::string ContentStore::read(const Digest& digest, std::size_t limit) const {
    std::string bytes = read_all(open(digest).get(), limit, digest.text());
    if (const Digest got = digest_of(bytes); got != digest) {
        throw InputError(fmt::format(
            "blob {}: damaged, its bytes have the digest {}; remove it and pull it again",
            path_of(digest).native(), got.text()));
    }
    return bytes;
}

bool ContentStore::verify(const Digest& digest) const {
    return digest_of_file(open(digest).get(), digest.text()) == digest;
}

std::filesystem::path ContentStore::path_of(const Digest& digest) const {
    return root_ / "blobs/sha256" / digest.hex();
}

std::vector<Digest> ContentStore::list() const {
    std::vector<Digest> digests;
    for (const std::string& name : names_in(blobs_.get())) {
        try {
            digests.push_back(parse_digest("sha256:" + name));
        } catch (const InputError&) {  // NOLINT(bugprone-empty-catch): not a blob of ours
        }
    }
    return digests;
}

Ingest ContentStore::begin() const {
    return Ingest(temporary_.get(), blobs_.get());
}

Ingest ContentStore::begin(const std::string& name) const {
    return Ingest(temporary_.get(), blobs_.get(), name);
}

Digest ContentStore::put(std::string_view bytes) const {
    Ingest ingest = begin();
    ingest.write(bytes);
    return ingest.commit();
}

void ContentStore::remove(const Digest& digest) const {
    const std::string name(digest.hex());
    if (::unlinkat(blobs_.get(), name.c_str(), 0) == -1 && errno != ENOENT) {
        check(-1, "unlink({})", path_of(digest).native());
    }
    check(::fsync(blobs_.get()), "fsync(blobs/sha256)");
}

std::string ContentStore::read_index() const {
    return read_all(open_at(root_fd_.get(), "index.json", O_RDONLY).get(), kIndexLimit,
                    (root_ / "index.json").native());
}

void ContentStore::replace_index(std::string_view json) const {
    replace_file(root_fd_.get(), "index.json", json, 0644);
}

}  // namespace drydock
