#pragma once

#include <vector>

#include "03-cgroups/oci_config.hpp"
#include "05-images/image_store.hpp"
#include "07-compose/engine/container.hpp"
#include "07-compose/engine/volume_store.hpp"

namespace drydock {

/// What a client asked for over what it borrows from other containers, and a volume for each of the
/// image's volumes that nothing is mounted at; parents before children.
/// @param borrowed of volumes_from, in order
/// @throws InputError "Duplicate mount point: /x"
std::vector<MountPoint> gathered_mounts(const std::vector<MountPoint>& asked,
                                        const std::vector<MountPoint>& borrowed,
                                        const oci::ExecutionConfig& image);

/// The source of a bind is there afterwards.
/// @throws InputError in docker's words when it is not, and is not to be made
void prepare_bind(const MountPoint& mount);

/// Fills a volume that has nothing in it with what the image has at the mount's destination, which
/// gives it owner and mode too.
/// @param chains of the image's layers
void copy_up(const ImageStore& images, const std::vector<Digest>& chains, const MountPoint& mount);

/// As config.json has them.
std::vector<oci::Mount> oci_mounts(const std::vector<MountPoint>& mounts);

}  // namespace drydock
