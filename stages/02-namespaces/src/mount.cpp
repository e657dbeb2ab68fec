#include "02-namespaces/mount.hpp"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

struct Option {
    std::string_view name;
    unsigned long flag;
    bool sets;         ///< or clears
    bool propagation;  ///< a mount(2) of its own sets it
};
constexpr std::array kOptions = {
    Option{"ro", MS_RDONLY, true, false},
    Option{"rw", MS_RDONLY, false, false},
    Option{"nosuid", MS_NOSUID, true, false},
    Option{"suid", MS_NOSUID, false, false},
    Option{"nodev", MS_NODEV, true, false},
    Option{"dev", MS_NODEV, false, false},
    Option{"noexec", MS_NOEXEC, true, false},
    Option{"exec", MS_NOEXEC, false, false},
    Option{"sync", MS_SYNCHRONOUS, true, false},
    Option{"async", MS_SYNCHRONOUS, false, false},
    Option{"dirsync", MS_DIRSYNC, true, false},
    Option{"remount", MS_REMOUNT, true, false},
    Option{"noatime", MS_NOATIME, true, false},
    Option{"atime", MS_NOATIME, false, false},
    Option{"nodiratime", MS_NODIRATIME, true, false},
    Option{"diratime", MS_NODIRATIME, false, false},
    Option{"relatime", MS_RELATIME, true, false},
    Option{"norelatime", MS_RELATIME, false, false},
    Option{"strictatime", MS_STRICTATIME, true, false},
    Option{"nostrictatime", MS_STRICTATIME, false, false},
    Option{"bind", MS_BIND, true, false},
    Option{"rbind", MS_BIND | MS_REC, true, false},
    Option{"rro", MS_RDONLY | MS_REC, true, false},
    Option{"defaults", 0, true, false},
    Option{"private", MS_PRIVATE, true, true},
    Option{"rprivate", MS_PRIVATE | MS_REC, true, true},
    Option{"slave", MS_SLAVE, true, true},
    Option{"rslave", MS_SLAVE | MS_REC, true, true},
    Option{"shared", MS_SHARED, true, true},
    Option{"rshared", MS_SHARED | MS_REC, true, true},
    Option{"unbindable", MS_UNBINDABLE, true, true},
    Option{"runbindable", MS_UNBINDABLE | MS_REC, true, true},
};

struct FlagName {
    unsigned long flag;
    std::string_view name;
};
constexpr std::array kFlagNames = {
    FlagName{MS_RDONLY, "MS_RDONLY"},
    FlagName{MS_NOSUID, "MS_NOSUID"},
    FlagName{MS_NODEV, "MS_NODEV"},
    FlagName{MS_NOEXEC, "MS_NOEXEC"},
    FlagName{MS_SYNCHRONOUS, "MS_SYNCHRONOUS"},
    FlagName{MS_REMOUNT, "MS_REMOUNT"},
    FlagName{MS_DIRSYNC, "MS_DIRSYNC"},
    FlagName{MS_NOATIME, "MS_NOATIME"},
    FlagName{MS_NODIRATIME, "MS_NODIRATIME"},
    FlagName{MS_BIND, "MS_BIND"},
    FlagName{MS_REC, "MS_REC"},
    FlagName{MS_UNBINDABLE, "MS_UNBINDABLE"},
    FlagName{MS_PRIVATE, "MS_PRIVATE"},
    FlagName{MS_SLAVE, "MS_SLAVE"},
    FlagName{MS_SHARED, "MS_SHARED"},
    FlagName{MS_RELATIME, "MS_RELATIME"},
    FlagName{MS_STRICTATIME, "MS_STRICTATIME"},
};

/// The flags of `spec` in the words of mount_setattr(2).
mount_attr attributes_of(const MountSpec& spec) {
    mount_attr attributes{};
    const auto add = [&](unsigned long flag, std::uint64_t attribute) {
        attributes.attr_set |= (spec.flags & flag) != 0 ? attribute : 0;
    };
    add(MS_RDONLY, MOUNT_ATTR_RDONLY);
    add(MS_NOSUID, MOUNT_ATTR_NOSUID);
    add(MS_NODEV, MOUNT_ATTR_NODEV);
    add(MS_NOEXEC, MOUNT_ATTR_NOEXEC);
    add(MS_NODIRATIME, MOUNT_ATTR_NODIRATIME);
    if ((spec.flags & (MS_NOATIME | MS_STRICTATIME)) != 0) {
        // The three ways to keep access times are one field of the mount, not three bits.
        attributes.attr_clr = MOUNT_ATTR__ATIME;
        add(MS_NOATIME, MOUNT_ATTR_NOATIME);
        add(MS_STRICTATIME, MOUNT_ATTR_STRICTATIME);
    }
    attributes.propagation = spec.propagation & ~std::uint64_t{MS_REC};
    return attributes;
}

void bind_tree_at(int target, const UniqueFd& tree, const MountSpec& spec) {
    mount_attr attributes = attributes_of(spec);
    const bool below = ((spec.flags | spec.propagation) & MS_REC) != 0;
    if (attributes.attr_set != 0 || attributes.propagation != 0) {
        check(::mount_setattr(tree.get(), "", AT_EMPTY_PATH | (below ? AT_RECURSIVE : 0),
                              &attributes, sizeof attributes),
              "mount_setattr({}, {}attr_set={}, propagation={})", spec.source,
              below ? "AT_RECURSIVE, " : "", mount_flag_names(spec.flags & ~(MS_BIND | MS_REC)),
              mount_flag_names(spec.propagation));
    }
    check(
        ::move_mount(tree.get(), "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
        "move_mount({}, {})", spec.source, spec.target.native());
}

}  // namespace

void mount_fs(const MountSpec& spec) {
    const UniqueFd target = open_file(spec.target, O_PATH);
    mount_fs_at(target.get(), spec);
}

void mount_fs_at(int target, const MountSpec& spec) {
    // A path through the descriptor: the name may lead elsewhere by now, the open directory cannot.
    const std::string path = fmt::format("/proc/self/fd/{}", target);
    check(::mount(spec.source.c_str(), path.c_str(), spec.type.c_str(), spec.flags,
                  spec.data.c_str()),
          "mount(source={}, target={}, type={}, flags={}, data={})", spec.source,
          spec.target.native(), spec.type, mount_flag_names(spec.flags), spec.data);
}

// [region: bind-at]
void bind_at(int target, const MountSpec& spec) {
    const unsigned recursive = (spec.flags & MS_REC) != 0 ? AT_RECURSIVE : 0;
    const UniqueFd tree(check(
        ::open_tree(AT_FDCWD, spec.source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive),
        "open_tree({}, OPEN_TREE_CLONE{})", spec.source, recursive != 0 ? "|AT_RECURSIVE" : ""));
    // Not yet anywhere: nobody sees it between the bind and its flags, as with mount(MS_BIND) and a
    // second, remounting call.
    bind_tree_at(target, tree, spec);
}
// [/region]

void bind_fd_at(int target, int source, const MountSpec& spec) {
    const unsigned recursive = (spec.flags & MS_REC) != 0 ? AT_RECURSIVE : 0;
    const UniqueFd tree(check(
        ::open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive),
        "open_tree({}, OPEN_TREE_CLONE|AT_EMPTY_PATH{})", spec.source,
        recursive != 0 ? "|AT_RECURSIVE" : ""));
    bind_tree_at(target, tree, spec);
}

MountSpec with_mount_options(MountSpec spec, std::span<const std::string> options) {
    for (const std::string& option : options) {
        const auto* known = std::ranges::find(kOptions, option, &Option::name);
        if (known == kOptions.end()) {
            spec.data += (spec.data.empty() ? "" : ",") + option;
        } else if (known->propagation) {
            spec.propagation = known->flag;
        } else if (known->sets) {
            spec.flags |= known->flag;
        } else {
            spec.flags &= ~known->flag;
        }
    }
    return spec;
}

std::string mount_flag_names(unsigned long flags) {
    std::string names;
    for (const auto& [flag, name] : kFlagNames) {
        if ((flags & flag) != 0) {
            names += names.empty() ? "" : "|";
            names += name;
        }
    }
    return names.empty() ? "0" : names;
}

}  // namespace drydock
