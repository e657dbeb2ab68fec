#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "04-layers/tar_apply.hpp"
#include "04-layers/tar_entry.hpp"

namespace drydock::testing {

/// An entry and its bytes.
struct Member {
    TarEntry entry{};
    std::string bytes{};
};

/// Members with sensible values and our own owner, so that anyone can unpack them.
Member file(const std::string& path, const std::string& bytes = "x", mode_t mode = 0644);
Member directory(const std::string& path, mode_t mode = 0755);
Member symbolic_link(const std::string& path, const std::string& target);
Member hard_link(const std::string& path, const std::string& target);

/// The archive's bytes, uncompressed.
std::string tar_of(const std::vector<Member>& members);
std::string gzip_of(const std::string& bytes);

/// A file without a name that holds `bytes`, at position 0.
UniqueFd file_with(const std::string& bytes);

/// Unpacks into `target`, which is made when it is missing.
AppliedLayer apply_to(const std::string& archive, const std::filesystem::path& target,
                      const ApplyOptions& options = {});
/// What the InputError says that unpacking throws; "" when it throws none.
std::string refusal_of(const std::string& archive, const std::filesystem::path& target,
                       const ApplyOptions& options = {});

/// Every path below `root` with what matters of it: type, mode, owner, time, bytes, link target,
/// extended attributes, and the first name of the same file.
std::map<std::string, std::string> fingerprint(const std::filesystem::path& root);

/// What two fingerprints do not have in common, a line each; "" for equal ones.
std::string difference(const std::map<std::string, std::string>& a,
                       const std::map<std::string, std::string>& b);

/// Fills `root` with every type of file that our privileges allow, the same for the same seed.
void make_tree(const std::filesystem::path& root, std::uint32_t seed, bool privileged);

}  // namespace drydock::testing
