#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "04-layers/digest.hpp"
#include "04-layers/ingest.hpp"

namespace drydock {

/// Blobs by digest, in a directory that is an OCI image layout (so skopeo and umoci read it as it
/// lies): `oci-layout`, `index.json`, `blobs/sha256/HEX`; unfinished blobs are in `tmp/`. May be
/// used by several threads and processes at once: a blob is there whole or not at all, and never
/// changes.
/// @see OCI image-spec, image-layout.md
class ContentStore {
  public:
    /// Opens the store and makes what is missing of it.
    explicit ContentStore(std::filesystem::path root);

    [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_; }
    [[nodiscard]] bool contains(const Digest& digest) const;
    /// For reading; position 0. @throws InputError when the blob is not there
    [[nodiscard]] UniqueFd open(const Digest& digest) const;
    /// @throws InputError when the blob is not there
    [[nodiscard]] std::uint64_t size(const Digest& digest) const;
    /// The whole blob, its digest checked.
    /// @throws InputError when it is not there, larger than `limit` bytes, or damaged
    [[nodiscard]] std::string read(const Digest& digest,
                                   std::size_t limit = std::size_t{4} << 20U) const;
    /// Whether the bytes on disk still have this digest.
    [[nodiscard]] bool verify(const Digest& digest) const;
    [[nodiscard]] std::filesystem::path path_of(const Digest& digest) const;
    /// Every blob, sorted.
    [[nodiscard]] std::vector<Digest> list() const;

    /// Begins a blob; see Ingest.
    [[nodiscard]] Ingest begin() const;
    /// Begins, or goes on with, a blob in the temporary file `name`: [a-zA-Z0-9-]+, not "ingest-…".
    [[nodiscard]] Ingest begin(const std::string& name) const;
    /// Stores a small document at once. @return its digest
    Digest put(std::string_view bytes) const;
    /// Nothing there is fine.
    void remove(const Digest& digest) const;

    /// The text of index.json; what is in it is stage 05's.
    [[nodiscard]] std::string read_index() const;
    /// Replaces index.json whole.
    void replace_index(std::string_view json) const;

  private:
    std::filesystem::path root_;
    UniqueFd root_fd_{};
    UniqueFd blobs_{};
    UniqueFd temporary_{};
};

}  // namespace drydock
