#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "05-images/image_store.hpp"
#include "07-compose/engine/container.hpp"

namespace drydock {

/// Held by those who read a container's files. Once the container is removed its directory, which
/// is in the trash then, goes with the last of them.
class KeptFiles {
  public:
    KeptFiles() = default;
    ~KeptFiles();
    KeptFiles(const KeptFiles&) = delete;
    KeptFiles& operator=(const KeptFiles&) = delete;
    KeptFiles(KeptFiles&&) = delete;
    KeptFiles& operator=(KeptFiles&&) = delete;

  private:
    friend class ContainerStore;
    std::filesystem::path away_{};  ///< "" while the container is there; set before others let go
};

/// Containers on disk, a directory each: DATA_ROOT/containers/<64 hex>/ is an OCI bundle
/// (config.json, the shim's exit.json and the log) with container.json, which survives a power cut,
/// and state.json, which may be lost in one.
class ContainerStore {
  public:
    /// Makes what is missing and empties the trash.
    explicit ContainerStore(const std::filesystem::path& data_root);

    [[nodiscard]] std::filesystem::path directory(const std::string& id) const;
    [[nodiscard]] std::filesystem::path log_file(const std::string& id) const;
    [[nodiscard]] std::filesystem::path explain_file(const std::string& id) const;

    /// Replaces container.json whole; from here on load() finds the container.
    void save(const Container& container) const;
    /// Replaces state.json whole, without waiting for the disk: after a power cut nothing runs
    /// anyway.
    void save_state(const Container& container) const;
    /// Takes the container away at once: its directory goes to the trash. What is in it is removed
    /// when nobody holds `files` any more, which is at once when the caller was the only one.
    void remove(const std::string& id, std::shared_ptr<KeptFiles> files) const;

    /// Every container there is. A directory without container.json is a create() that never ended
    /// and is removed; one that cannot be read is left alone and told of on stderr, and the others
    /// are given all the same.
    /// @param images where the file systems of such left-overs are
    [[nodiscard]] std::vector<Container> load(ImageStore& images) const;

  private:
    std::filesystem::path containers_;
    std::filesystem::path trash_;
};

/// Owns the right to be the one daemon of a data root. The kernel gives it back when the process
/// ends, however.
/// @throws InputError naming the directory when another process has it
UniqueFd lock_data_root(const std::filesystem::path& data_root);

}  // namespace drydock
