#include "04-layers/ingest.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/directory.hpp"

namespace drydock {
namespace {

void require_equal(const Digest& got, const Digest& expected) {
    if (got != expected) {
        throw InputError(
            fmt::format("blob {}: its bytes have the digest {}", expected.text(), got.text()));
    }
}

void require_size(std::uint64_t got, std::uint64_t expected, const Digest& name) {
    if (got != expected) {
        throw InputError(fmt::format("blob {}: has {} bytes; its descriptor says {}", name.text(),
                                     got, expected));
    }
}

}  // namespace

Ingest::Ingest(int temporary, int blobs)
    : temporary_(temporary), blobs_(blobs), name_(unused_name("ingest-")) {
    fd_ = open_at(temporary_, name_, O_WRONLY | O_CREAT | O_EXCL, 0600);
}

Ingest::Ingest(int temporary, int blobs, const std::string& name)
    : temporary_(temporary), blobs_(blobs), name_(name) {
    fd_ = open_at(temporary_, name_, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    std::vector<std::byte> buffer(std::size_t{256} << 10U);
    while (true) {
        const auto n =
            check(::read(fd_.get(), buffer.data(), buffer.size()), "read(tmp/{})", name_);
        if (n == 0) {
            return;
        }
        hash_.update(std::span(buffer).first(static_cast<std::size_t>(n)));
        size_ += static_cast<std::uint64_t>(n);
    }
}

void Ingest::keep() noexcept {
    name_.clear();
    fd_ = UniqueFd();
}

UniqueFd Ingest::reader() const {
    return open_at(temporary_, name_, O_RDONLY | O_NOFOLLOW);
}

Ingest::~Ingest() {
    discard();
}

Ingest::Ingest(Ingest&& other) noexcept
    : temporary_(other.temporary_),
      blobs_(other.blobs_),
      name_(std::exchange(other.name_, {})),
      fd_(std::move(other.fd_)),
      hash_(std::move(other.hash_)),
      size_(other.size_),
      limit_(other.limit_) {}

Ingest& Ingest::operator=(Ingest&& other) noexcept {
    std::swap(temporary_, other.temporary_);
    std::swap(blobs_, other.blobs_);
    std::swap(name_, other.name_);
    std::swap(fd_, other.fd_);
    std::swap(hash_, other.hash_);
    std::swap(size_, other.size_);
    std::swap(limit_, other.limit_);
    return *this;
}

void Ingest::discard() noexcept {
    if (!name_.empty()) {
        static_cast<void>(::unlinkat(temporary_, name_.c_str(), 0));
        name_.clear();
    }
}

void Ingest::write(std::span<const std::byte> bytes) {
    if (bytes.size() > limit_ - size_) {
        throw InputError(fmt::format("blob: larger than the {} bytes that were announced", limit_));
    }
    hash_.update(bytes);
    write_all(fd_.get(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name_);
    size_ += bytes.size();
}

// [region: commit-blob]
void Ingest::publish(const Digest& digest) {
    const std::string name(digest.hex());
    // Bytes before the name: else a power cut leaves the name of a file that is empty.
    check(::fsync(fd_.get()), "fsync(blob {})", digest.text());
    fd_.close();
    // Over a blob of the same name, if it is there: they hold the same bytes.
    check(::renameat(temporary_, name_.c_str(), blobs_, name.c_str()), "rename({}, {})", name_,
          name);
    name_.clear();
    check(::fsync(blobs_), "fsync(blobs/sha256)");
}
// [/region]

Digest Ingest::commit(const std::optional<Digest>& expected,
                      std::optional<std::uint64_t> expected_size) {
    try {
        const Digest digest = hash_.finish();
        require_size(size_, expected_size.value_or(size_), expected.value_or(digest));
        require_equal(digest, expected.value_or(digest));
        publish(digest);
        return digest;
    } catch (...) {
        // Also when fsync failed: what the kernel dropped cannot be written by trying again.
        discard();
        throw;
    }
}

}  // namespace drydock
