#pragma once

#include <optional>
#include <string_view>

#include "01-chroot/unique_fd.hpp"
#include "05-images/image_store.hpp"

namespace drydock {

/// The hex digits of "sha256:…" or of "…" when it looks like (the beginning of) an ID; else empty.
std::string_view id_prefix(std::string_view name);

/// Nothing when `name` is no reference.
std::optional<Reference> try_reference(std::string_view name);

/// Whether an image of this name and manifest is what `wanted` asks for.
bool names_same(const Reference& wanted, const std::optional<Reference>& name,
                const Digest& manifest);

/// One line of index.json: a manifest and the name it has, if it has one.
struct ImageStore::Entry {
    oci::Descriptor manifest{};
    std::optional<Reference> name{};
};

/// Owns the right to change index.json: one thread of one process at a time. A lock of flock(2)
/// belongs to the open file, and each Lock opens its own.
class ImageStore::Lock {
  public:
    explicit Lock(const ImageStore& store);

  private:
    UniqueFd file_;
};

}  // namespace drydock
