#pragma once

#include <filesystem>
#include <string_view>

namespace drydock {

/// Owns a new, empty directory, mode 0700, and everything below it.
class TempDir {
  public:
    TempDir() noexcept = default;
    /// @param parent "" for $TMPDIR or /tmp
    explicit TempDir(std::string_view prefix, const std::filesystem::path& parent = {});
    /// Removes the tree, best effort, without following links or entering another filesystem.
    ~TempDir();
    TempDir(TempDir&& other) noexcept;
    TempDir& operator=(TempDir&& other) noexcept;
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  private:
    std::filesystem::path path_{};
};

/// Removes `path` and everything below it that is on the same filesystem; symbolic links
/// themselves, never what they point at. Nothing there is fine.
/// @throws std::system_error, with what could be removed gone
void remove_tree(const std::filesystem::path& path);

}  // namespace drydock
