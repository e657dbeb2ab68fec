#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "07-compose/engine/container.hpp"

namespace drydock {

/// Where a container's bundle has a part of a volume; `number` is the mount's.
std::filesystem::path volume_part_place(const std::filesystem::path& place, std::size_t number);

/// While it lives, the parts of volumes that the container sees (Subpath) are mounted at those
/// places: who starts the container takes them into its mount namespace. The kernel finds each
/// inside its volume: links in there, which a container may have made, lead nowhere else. And what
/// is mounted is what was found, whatever becomes of the path meanwhile.
class VolumeParts {
  public:
    /// @param place a directory of the container's own; made when there is a part
    /// @throws SetupError for a part that is not there
    VolumeParts(const std::vector<MountPoint>& mounts, std::filesystem::path place);
    ~VolumeParts();
    VolumeParts(const VolumeParts&) = delete;
    VolumeParts& operator=(const VolumeParts&) = delete;
    VolumeParts(VolumeParts&&) = delete;
    VolumeParts& operator=(VolumeParts&&) = delete;

  private:
    void unmount() const;

    std::filesystem::path place_;
    std::vector<std::filesystem::path> places_{};
};

}  // namespace drydock
