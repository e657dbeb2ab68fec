#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

#include "bundle_sections.hpp"
#include "cgroup_mount.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

/// Whose IDs an idmapped mount shows: its own, else those of the container.
void set_mount_id_maps(const oci::Mount& mount, const stage03::Options& options, std::size_t index,
                       MountSpec& spec) {
    const bool has_maps = !mount.uid_mappings.empty() || !mount.gid_mappings.empty();
    if (!has_maps && !spec.own_id_maps) {
        return;
    }
    const auto fail = [index](std::string_view expected) {
        throw InputError(fmt::format("config.json: /mounts/{}: expected {}", index, expected));
    };
    if ((spec.flags & MS_BIND) == 0) {
        fail("a bind mount: only those can have ID maps of their own");
    }
    if (has_maps && (mount.uid_mappings.empty() || mount.gid_mappings.empty())) {
        fail("both \"uidMappings\" and \"gidMappings\"");
    }
    if (!has_maps && options.id_maps.uids.empty()) {
        fail(
            "\"uidMappings\" and \"gidMappings\", or a container with a user namespace, for "
            "\"idmap\"");
    }
    if (!spec.id_maps) {
        spec.id_maps.emplace();
    }
    spec.id_maps->maps = has_maps ? IdMaps{.uids = id_ranges(mount.uid_mappings),
                                           .gids = id_ranges(mount.gid_mappings)}
                                  : options.id_maps;
}

MountSpec mount_from(const oci::Mount& mount, const fs::path& bundle) {
    MountSpec spec = with_mount_options(
        {.source = mount.source, .target = mount.destination, .type = mount.type}, mount.options);
    if (mount.type == "bind" && (spec.flags & MS_REMOUNT) == 0) {
        spec.flags |= MS_BIND;  // whatever the options say
    }
    if ((spec.flags & MS_BIND) != 0 && !fs::path(spec.source).is_absolute()) {
        spec.source = (bundle / spec.source).native();
    }
    return spec;
}

void add_mount(const oci::Mount& mount, const fs::path& bundle, std::size_t index,
               stage03::Options& options) {
    MountSpec spec = mount_from(mount, bundle);
    set_mount_id_maps(mount, options, index, spec);
    if (mount.destination == "/" && (spec.flags & MS_REMOUNT) == 0) {
        // The layers of an image, mounted where only the container sees them.
        options.rootfs.filesystem = std::move(spec);
    } else if (mount.type == "cgroup") {
        const std::vector<MountSpec> mounts = cgroup_mounts(spec, find_hierarchy());
        options.mounts.insert(options.mounts.end(), mounts.begin(), mounts.end());
    } else {
        options.mounts.push_back(std::move(spec));
    }
}

DeviceNode node_from(const oci::Device& d) {
    return {.path = d.path,
            .mode = d.file_mode & 07777U,
            .type = d.type == 'c'   ? mode_t{S_IFCHR}
                    : d.type == 'b' ? mode_t{S_IFBLK}
                                    : mode_t{S_IFIFO},
            .major = d.major,
            .minor = d.minor,
            .uid = d.uid,
            .gid = d.gid};
}

void set_devices(const oci::Config& config, stage03::Options& options) {
    // A /dev that is bound from elsewhere is whole, and not ours to fill.
    options.own_dev = std::ranges::none_of(options.mounts, [](const MountSpec& m) {
        return m.target == "/dev" && (m.flags & MS_BIND) != 0;
    });
    std::vector<DeviceNode> devices;
    if (options.own_dev) {
        devices = default_devices();
    }
    for (const oci::Device& d : config.linux_.devices) {
        DeviceNode node = node_from(d);
        const auto same = std::ranges::find(devices, node.path, &DeviceNode::path);
        same == devices.end() ? devices.push_back(std::move(node)) : void(*same = std::move(node));
    }
    options.devices = std::move(devices);
}

}  // namespace

void set_mounts(const oci::Config& config, const fs::path& bundle, stage03::Options& options) {
    options.rootfs.directory =
        config.root.path.is_absolute() ? config.root.path : bundle / config.root.path;
    options.rootfs.readonly = config.root.readonly;
    options.propagation = propagation_flags(config.linux_.rootfs_propagation);
    if (!config.linux_.mount_label.empty()) {
        require_selinux("config.json: /linux/mountLabel");
        throw NotImplemented("linux.mountLabel");
    }
    for (std::size_t i = 0; i < config.mounts.size(); ++i) {
        add_mount(config.mounts[i], bundle, i, options);
    }
    // A volume that is to follow the host's, or to be followed, must come from a root that does.
    options.follows_host = (options.propagation & (MS_SHARED | MS_SLAVE)) == 0 &&
                           std::ranges::any_of(options.mounts, [](const MountSpec& mount) {
                               return (mount.propagation & (MS_SHARED | MS_SLAVE)) != 0;
                           });
    set_devices(config, options);
    options.masked_paths = config.linux_.masked_paths;
    options.readonly_paths = config.linux_.readonly_paths;
}

}  // namespace drydock
