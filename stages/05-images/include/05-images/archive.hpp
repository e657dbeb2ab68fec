#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "05-images/image_store.hpp"

namespace drydock {

/// Writes a tar archive that is an OCI image layout and a docker archive in one, as docker 25 and
/// later write it: docker load, podman load and skopeo (docker-archive: and oci-archive:) read it.
/// A name given as a reference is kept in the archive, an ID gives an image without name.
/// @param out any file, also a pipe
/// @throws InputError when there is no such image
void save_images(const ImageStore& store, std::span<const std::string> names, int out);

struct LoadedImage {
    Image image{};
    std::optional<Reference> name{};  ///< one of the names it came with; nothing: it came without
};

/// Reads a docker archive or an OCI layout archive (plain, gzip, …; what it is, its bytes say) into
/// the store. Everything is verified on the way: digests of blobs, DiffIDs of layers; on any error
/// the store is as before.
/// @param in any file, also a pipe
/// @param name_for_errors "image.tar"
/// @return one entry for every image and name, in the archive's order
/// @throws InputError naming the archive, the entry and what is wrong with it
std::vector<LoadedImage> load_images(ImageStore& store, int in, const std::string& name_for_errors);

}  // namespace drydock
