#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "02-namespaces/mount.hpp"

namespace drydock {

enum class ChangeKind { Modified = 0, Added = 1, Deleted = 2 };

/// A file that is not as the image has it.
struct Change {
    std::string path{};
    ChangeKind kind = ChangeKind::Modified;
    bool operator==(const Change&) const = default;
};

/// What `docker commit` is asked for.
struct CommitRequest {
    std::string name{};  ///< "repository:tag"; "": none
    std::string author{};
    std::string comment{};
    std::vector<std::string> changes{};  ///< instructions of a Dockerfile: "CMD sh"
    bool pause = true;                   ///< nothing of it runs meanwhile
};

/// What the upper directory of an overlay changes in what lies below, sorted by path.
/// @param lowers the top one first
std::vector<Change> changes_in(const std::filesystem::path& upper,
                               const std::vector<std::filesystem::path>& lowers);

/// The value of `lowerdir` in an overlay's options, the top one first.
std::vector<std::filesystem::path> lowers_of(const MountSpec& overlay);

}  // namespace drydock
