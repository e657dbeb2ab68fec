#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "07-compose/engine/time_text.hpp"

namespace drydock {

/// A directory that outlives the containers which use it.
struct Volume {
    std::string name{};
    std::filesystem::path source{};     ///< what containers see: the volume's own directory, or the
                                        ///< one that its options name
    std::filesystem::path directory{};  ///< the volume's own: docker's Mountpoint
    Time created{};
    std::map<std::string, std::string> labels{};
    std::map<std::string, std::string> options{};
};

/// On an anonymous volume: nobody named it, so it may go with its container.
inline constexpr const char* kAnonymousVolumeLabel = "com.docker.volume.anonymous";

/// Volumes on disk: DATA_ROOT/volumes/NAME/{volume.json,_data}. For any number of threads.
class VolumeStore {
  public:
    explicit VolumeStore(const std::filesystem::path& data_root);

    /// The volume of that name, made if it is not there.
    /// @param name "" for a new anonymous one
    /// @return it, and whether it is new
    /// @throws InputError for a name or an option that is none; NotImplemented for options of file
    /// systems
    std::pair<Volume, bool> create(std::string name, std::map<std::string, std::string> labels,
                                   std::map<std::string, std::string> options);
    [[nodiscard]] std::optional<Volume> find(const std::string& name) const;
    /// By name.
    [[nodiscard]] std::vector<Volume> list() const;
    /// All that is in it goes too. Nothing there is fine.
    void remove(const std::string& name);

  private:
    [[nodiscard]] std::optional<Volume> load(const std::string& name) const;

    std::filesystem::path root_;
    std::filesystem::path trash_;
    mutable std::mutex mutex_{};
};

/// Bytes that the files below the directory take on the disk; other file systems are not entered.
std::uint64_t disk_usage(const std::filesystem::path& directory);

}  // namespace drydock
