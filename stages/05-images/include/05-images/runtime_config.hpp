#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "03-cgroups/limits.hpp"
#include "03-cgroups/oci_config.hpp"
#include "05-images/image_config.hpp"
#include "05-images/image_store.hpp"
#include "05-images/layer_view.hpp"
#include "05-images/user_lookup.hpp"

namespace drydock {

/// What the user of a container says beyond, or instead of, its image.
struct ContainerOptions {
    std::optional<std::vector<std::string>> entrypoint{};  ///< {} or {""}: the image's is dropped
    std::optional<std::vector<std::string>> cmd{};
    std::vector<std::string>
        env{};              ///< "NAME=value" wins over the image's; "NAME" takes that one away
    std::string workdir{};  ///< empty: the image's, or "/"
    std::string user{};     ///< empty: the image's, or root
    std::vector<std::string> group_add{};
    std::string hostname{};
    std::string domainname{};
    bool terminal = false;
    bool readonly_rootfs = false;
    bool privileged = false;
    bool no_new_privileges = false;
    std::vector<std::string> cap_add{};  ///< "NET_ADMIN" or "CAP_NET_ADMIN", any case; "ALL"
    std::vector<std::string> cap_drop{};
    Limits limits{};
    std::int64_t shm_size = std::int64_t{64} << 20U;  ///< bytes of /dev/shm; 0: there is none
    std::vector<oci::Mount>
        mounts{};  ///< binds, volumes, tmpfs: after the default ones, in this order
    std::vector<oci::Rlimit> rlimits{};
    std::map<std::string, std::string> sysctl{};
    std::string network_namespace{};  ///< "": a new one; "host": the host's; else a path to join
    std::string pid_namespace{};      ///< the same
    std::string ipc_namespace{};      ///< the same
    std::string uts_namespace{};      ///< the same
    std::string cgroup_namespace{};   ///< "": a new one; "host": the host's
    std::string cgroups_path{};       ///< empty: the runtime's choice
    /// "linux.seccomp" of a config.json; "": no filter; nothing: the default one
    std::optional<std::string> seccomp{};
    std::string apparmor_profile{};
    std::optional<std::vector<std::string>> masked_paths{};    ///< nothing: docker's
    std::optional<std::vector<std::string>> readonly_paths{};  ///< nothing: docker's
    std::vector<oci::Device> devices{};                        ///< nodes beyond the usual ones
    std::vector<DeviceRule> device_rules{};                    ///< after the default ones
    std::optional<int> oom_score_adj{};
    std::map<std::string, std::string> annotations{};
};

/// The argument vector of a container: entrypoint, then cmd. Options win over the image; an
/// entrypoint of the options drops the image's cmd.
/// @throws InputError "no command specified" when nothing is left
std::vector<std::string> command_of(const oci::ExecutionConfig& image,
                                    const ContainerOptions& options);

/// The environment of a container: PATH, HOSTNAME, TERM with a terminal, HOME, under what the image
/// sets, under what the options set.
std::vector<std::string> environment_of(const oci::ExecutionConfig& image,
                                        const ContainerOptions& options, const std::string& home);

/// The config.json of a container of that image, with docker's defaults: namespaces, mounts, masked
/// and read-only paths, 14 capabilities. `root.path` is "rootfs".
/// @param rootfs the first mount: overlay at "/"; with an empty type `root.path` itself holds the
/// files
/// @param user as resolve_user() gave it
/// @throws InputError
std::string runtime_config(const oci::ExecutionConfig& image, const ContainerOptions& options,
                           const oci::Mount& rootfs, const ResolvedUser& user);

/// Replaces the limits in the config.json of a bundle: they hold from its next start on.
void set_bundle_limits(const std::filesystem::path& bundle, const Limits& limits);

struct Bundle {
    std::filesystem::path directory{};
    std::string snapshot_key{};     ///< of the active snapshot that is its root file system
    std::filesystem::path upper{};  ///< what the container changes
    std::vector<std::string> args{};
};

/// Makes `directory` (0700) an OCI bundle for a container of `image`: config.json, an empty rootfs/
/// and an active snapshot with that key. On an error neither is left behind.
Bundle make_bundle(ImageStore& store, const Image& image, const ContainerOptions& options,
                   const std::filesystem::path& directory, const std::string& key);
/// Where a bundle goes.
struct BundlePlace {
    std::filesystem::path directory{};
    std::string key{};
};
/// The same over layers that need not be an image yet: what a build's RUN runs in.
Bundle make_bundle(ImageStore& store, const oci::ExecutionConfig& config,
                   const std::vector<Digest>& chains, const ContainerOptions& options,
                   const BundlePlace& place);
/// Removes both. Nothing there is fine.
void remove_bundle(ImageStore& store, const std::filesystem::path& directory,
                   const std::string& key);

/// Directories of unpacked layers, the top one first, as LayerView wants them.
/// @param chains ChainIDs, the lowest first, as ImageStore::unpack() gives them
std::vector<std::filesystem::path> layer_directories(const ImageStore& store,
                                                     const std::vector<Digest>& chains);

/// Reads files of the image for resolve_user(), bounded. The view must outlive it.
ReadImageFile file_reader(const LayerView& view);

/// 64 random hex digits: a new container's ID.
std::string new_container_id();

}  // namespace drydock
