#include "02-namespaces/mount.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string_view>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

struct Translation {
    unsigned long flag;
    std::uint64_t attribute;
};
constexpr Translation kAttributes[] = {
    {MS_RDONLY, MOUNT_ATTR_RDONLY},         {MS_NOSUID, MOUNT_ATTR_NOSUID},
    {MS_NODEV, MOUNT_ATTR_NODEV},           {MS_NOEXEC, MOUNT_ATTR_NOEXEC},
    {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME}, {kNoSymFollow, 0x00200000 /* NOSYMFOLLOW */},
};

/// The flags of `spec` in the words of mount_setattr(2).
mount_attr attributes_of(const MountSpec& spec) {
    mount_attr attributes{};
    for (const auto& [flag, attribute] : kAttributes) {
        attributes.attr_set |= (spec.flags & flag) != 0 ? attribute : 0;
        attributes.attr_clr |= (spec.cleared & flag) != 0 ? attribute : 0;
    }
    // The three ways to keep access times are one field of the mount, not three bits.
    if ((spec.flags & (MS_NOATIME | MS_STRICTATIME | MS_RELATIME)) != 0 ||
        (spec.cleared & MS_NOATIME) != 0) {
        attributes.attr_clr |= MOUNT_ATTR__ATIME;
        attributes.attr_set |= (spec.flags & MS_NOATIME) != 0       ? MOUNT_ATTR_NOATIME
                               : (spec.flags & MS_STRICTATIME) != 0 ? MOUNT_ATTR_STRICTATIME
                                                                    : MOUNT_ATTR_RELATIME;
    }
    attributes.propagation = spec.propagation & ~std::uint64_t{MS_REC};
    return attributes;
}

/// @return false when the kernel forbids to take a flag away: it is locked, because this mount came
///         here from a more privileged mount namespace
bool set_attributes(int tree, bool below, mount_attr attributes, const MountSpec& spec) {
    if (attributes.attr_set == 0 && attributes.attr_clr == 0 && attributes.propagation == 0) {
        return true;
    }
    const int rc = ::mount_setattr(tree, "", AT_EMPTY_PATH | (below ? AT_RECURSIVE : 0),
                                   &attributes, sizeof attributes);
    if (rc == -1 && errno == EPERM && attributes.attr_clr != 0) {
        return false;
    }
    check(rc, "mount_setattr({}, {}attr_set={:#x} ({}), attr_clr={:#x}, propagation={})",
          spec.target.native(), below ? "AT_RECURSIVE, " : "", attributes.attr_set,
          mount_flag_names(spec.flags & ~(MS_BIND | MS_REC)), attributes.attr_clr,
          mount_flag_names(spec.propagation));
    return true;
}

void set_unlocked(int tree, bool below, mount_attr attributes, const MountSpec& spec) {
    if (!set_attributes(tree, below, attributes, spec)) {
        attributes.attr_clr = 0;
        attributes.attr_set &= ~std::uint64_t{MOUNT_ATTR__ATIME};
        set_attributes(tree, below, attributes, spec);
    }
}

/// What `spec` asks for: first of the one mount, or of all when it is a bind of all ("rbind,ro" is
/// no door to a writable mount below), then what is for all in any case.
void set_flags(int tree, const MountSpec& spec) {
    mount_attr attributes = attributes_of(spec);
    const bool below = (spec.flags & MS_REC) != 0;
    mount_attr propagation{};
    propagation.propagation = attributes.propagation;
    attributes.propagation = 0;
    if (below && attributes.attr_clr != 0) {
        // "rbind,rw": what is read-only below stays so.
        mount_attr top = attributes;
        top.attr_set &= MOUNT_ATTR__ATIME;
        set_unlocked(tree, false, top, spec);
        attributes.attr_clr = 0;
        attributes.attr_set &= ~std::uint64_t{MOUNT_ATTR__ATIME};
    }
    set_unlocked(tree, below, attributes, spec);
    set_attributes(tree, (spec.propagation & MS_REC) != 0, propagation, spec);
    mount_attr all_below{};
    all_below.attr_set = spec.below_set;
    all_below.attr_clr = spec.below_cleared;
    set_unlocked(tree, true, all_below, spec);
}

void set_id_maps_of(int tree, const MountIdMaps& id_maps, const std::string& source) {
    const UniqueFd user_namespace = user_namespace_with(id_maps.maps);
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<std::uint64_t>(user_namespace.get());
    const int rc = ::mount_setattr(tree, "", AT_EMPTY_PATH | (id_maps.below ? AT_RECURSIVE : 0),
                                   &attributes, sizeof attributes);
    if (rc == -1 && errno == EINVAL) {
        throw InputError(fmt::format(
            "mount of {}: its filesystem cannot show other owners than it has (idmap)", source));
    }
    check(rc, "mount_setattr({}, {}MOUNT_ATTR_IDMAP)", source,
          id_maps.below ? "AT_RECURSIVE, " : "");
}

void finish_tree(const UniqueFd& tree, const MountSpec& spec) {
    if (spec.id_maps) {
        set_id_maps_of(tree.get(), *spec.id_maps, spec.source);
    }
    set_flags(tree.get(), spec);
}

}  // namespace

void mount_fs(const MountSpec& spec) {
    const UniqueFd target = open_file(spec.target, O_PATH);
    mount_fs_at(target.get(), spec);
}

void mount_fs_at(int target, const MountSpec& spec) {
    // A path through the descriptor: the name may lead elsewhere by now, the open directory cannot.
    if (spec.data.size() >= static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
        // mount(2) takes a page of options; option by option there is no such limit.
        attach_at(target, detached_filesystem(spec), spec);
        return;
    }
    const std::string path = fmt::format("/proc/self/fd/{}", target);
    check(::mount(spec.source.c_str(), path.c_str(), spec.type.c_str(), spec.flags,
                  spec.data.c_str()),
          "mount(source={}, target={}, type={}, flags={}, data={})", spec.source,
          spec.target.native(), spec.type, mount_flag_names(spec.flags), spec.data);
}

UniqueFd detached_bind(const MountSpec& spec) {
    const unsigned recursive = (spec.flags & MS_REC) != 0 ? AT_RECURSIVE : 0;
    UniqueFd tree(check(
        ::open_tree(AT_FDCWD, spec.source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive),
        "open_tree({}, OPEN_TREE_CLONE{})", spec.source, recursive != 0 ? "|AT_RECURSIVE" : ""));
    // Not yet anywhere: nobody sees it between the bind and its flags, as with mount(MS_BIND) and a
    // second, remounting call.
    finish_tree(tree, spec);
    return tree;
}

// [region: many-lowers]
namespace {

/// fsconfig(2) takes 255 bytes of a value, so the lower directories of an overlay go one by one.
/// @see overlayfs.rst, "Multiple lower layers" (lowerdir+, Linux 6.8)
void add_lower_directories(int context, std::string_view lowers) {
    while (!lowers.empty()) {
        const std::string lower(lowers.substr(0, lowers.find(':')));
        lowers.remove_prefix(std::min(lower.size() + 1, lowers.size()));
        check(::fsconfig(context, FSCONFIG_SET_STRING, "lowerdir+", lower.c_str(), 0),
              "fsconfig(overlay, lowerdir+={})", lower);
    }
}

}  // namespace
// [/region]

UniqueFd detached_filesystem(const MountSpec& spec) {
    const UniqueFd context(
        check(::fsopen(spec.type.c_str(), FSOPEN_CLOEXEC), "fsopen({})", spec.type));
    std::string_view options = spec.data;
    while (!options.empty()) {
        const std::string option(options.substr(0, options.find(',')));
        options.remove_prefix(std::min(option.size() + 1, options.size()));
        const auto equals = option.find('=');
        const std::string key = option.substr(0, equals);
        const std::string value = equals == std::string::npos ? "" : option.substr(equals + 1);
        constexpr std::size_t kLongestValue = 255;
        if (key == "lowerdir" && value.size() > kLongestValue) {
            add_lower_directories(context.get(), value);
            continue;
        }
        check(equals == std::string::npos
                  ? ::fsconfig(context.get(), FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0)
                  : ::fsconfig(context.get(), FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0),
              "fsconfig({}, {})", spec.type, option);
    }
    check(::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0),
          "fsconfig({}, FSCONFIG_CMD_CREATE)", spec.type);
    UniqueFd tree(check(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0), "fsmount({})", spec.type));
    finish_tree(tree, spec);
    return tree;
}

void attach_at(int target, const UniqueFd& tree, const MountSpec& spec) {
    check(
        ::move_mount(tree.get(), "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
        "move_mount({}, {})", spec.source, spec.target.native());
}

// [region: bind-at]
void bind_at(int target, const MountSpec& spec) {
    attach_at(target, detached_bind(spec), spec);
}
// [/region]

void bind_fd_at(int target, int source, const MountSpec& spec) {
    const unsigned recursive = (spec.flags & MS_REC) != 0 ? AT_RECURSIVE : 0;
    const UniqueFd tree(check(
        ::open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive),
        "open_tree({}, OPEN_TREE_CLONE|AT_EMPTY_PATH{})", spec.source,
        recursive != 0 ? "|AT_RECURSIVE" : ""));
    finish_tree(tree, spec);
    attach_at(target, tree, spec);
}

void change_mount(int mounted, const MountSpec& spec) {
    set_flags(mounted, spec);
}

}  // namespace drydock
