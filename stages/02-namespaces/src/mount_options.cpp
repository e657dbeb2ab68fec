#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "02-namespaces/mount.hpp"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

namespace drydock {
namespace {

// Of <linux/mount.h>, which does not go together with <sys/mount.h>.
constexpr unsigned long kLazyTime = 1UL << 25U;

struct Option {
    std::string_view name;
    unsigned long flag;
    bool sets;  ///< or clears
};
// [region: mount-options]
constexpr std::array kFlagOptions = {
    Option{"ro", MS_RDONLY, true},
    Option{"rw", MS_RDONLY, false},
    Option{"nosuid", MS_NOSUID, true},
    Option{"suid", MS_NOSUID, false},
    Option{"nodev", MS_NODEV, true},
    Option{"dev", MS_NODEV, false},
    Option{"noexec", MS_NOEXEC, true},
    Option{"exec", MS_NOEXEC, false},
    Option{"nosymfollow", kNoSymFollow, true},
    Option{"symfollow", kNoSymFollow, false},
    Option{"sync", MS_SYNCHRONOUS, true},
    Option{"async", MS_SYNCHRONOUS, false},
    Option{"dirsync", MS_DIRSYNC, true},
    Option{"mand", MS_MANDLOCK, true},
    Option{"nomand", MS_MANDLOCK, false},
    Option{"silent", MS_SILENT, true},
    Option{"loud", MS_SILENT, false},
    Option{"iversion", MS_I_VERSION, true},
    Option{"noiversion", MS_I_VERSION, false},
    Option{"lazytime", kLazyTime, true},
    Option{"nolazytime", kLazyTime, false},
    Option{"remount", MS_REMOUNT, true},
    Option{"noatime", MS_NOATIME, true},
    Option{"atime", MS_NOATIME, false},
    Option{"nodiratime", MS_NODIRATIME, true},
    Option{"diratime", MS_NODIRATIME, false},
    Option{"relatime", MS_RELATIME, true},
    Option{"norelatime", MS_RELATIME, false},
    Option{"strictatime", MS_STRICTATIME, true},
    Option{"nostrictatime", MS_STRICTATIME, false},
    Option{"bind", MS_BIND, true},
    Option{"rbind", MS_BIND | MS_REC, true},
    Option{"defaults", 0, true},
};
// [/region]

/// For the mount and all below it, by mount_setattr(2). The ways to keep access times are one
/// field.
struct BelowOption {
    std::string_view name;
    std::uint64_t set;
    std::uint64_t cleared;
};
constexpr std::array kBelowOptions = {
    BelowOption{"rro", MOUNT_ATTR_RDONLY, 0},
    BelowOption{"rrw", 0, MOUNT_ATTR_RDONLY},
    BelowOption{"rnosuid", MOUNT_ATTR_NOSUID, 0},
    BelowOption{"rsuid", 0, MOUNT_ATTR_NOSUID},
    BelowOption{"rnodev", MOUNT_ATTR_NODEV, 0},
    BelowOption{"rdev", 0, MOUNT_ATTR_NODEV},
    BelowOption{"rnoexec", MOUNT_ATTR_NOEXEC, 0},
    BelowOption{"rexec", 0, MOUNT_ATTR_NOEXEC},
    BelowOption{"rnodiratime", MOUNT_ATTR_NODIRATIME, 0},
    BelowOption{"rdiratime", 0, MOUNT_ATTR_NODIRATIME},
    BelowOption{"rrelatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    BelowOption{"rnorelatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    BelowOption{"rnoatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    BelowOption{"ratime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    BelowOption{"rstrictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    BelowOption{"rnostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    BelowOption{"rnosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    BelowOption{"rsymfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
};

constexpr std::array kPropagations = {
    Option{"private", MS_PRIVATE, true},       Option{"rprivate", MS_PRIVATE | MS_REC, true},
    Option{"slave", MS_SLAVE, true},           Option{"rslave", MS_SLAVE | MS_REC, true},
    Option{"shared", MS_SHARED, true},         Option{"rshared", MS_SHARED | MS_REC, true},
    Option{"unbindable", MS_UNBINDABLE, true}, Option{"runbindable", MS_UNBINDABLE | MS_REC, true},
};

struct FlagName {
    unsigned long flag;
    std::string_view name;
};
constexpr std::array kMountFlagNames = {
    FlagName{MS_RDONLY, "MS_RDONLY"},
    FlagName{MS_NOSUID, "MS_NOSUID"},
    FlagName{MS_NODEV, "MS_NODEV"},
    FlagName{MS_NOEXEC, "MS_NOEXEC"},
    FlagName{MS_SYNCHRONOUS, "MS_SYNCHRONOUS"},
    FlagName{MS_REMOUNT, "MS_REMOUNT"},
    FlagName{MS_MANDLOCK, "MS_MANDLOCK"},
    FlagName{MS_DIRSYNC, "MS_DIRSYNC"},
    FlagName{kNoSymFollow, "MS_NOSYMFOLLOW"},
    FlagName{MS_NOATIME, "MS_NOATIME"},
    FlagName{MS_NODIRATIME, "MS_NODIRATIME"},
    FlagName{MS_BIND, "MS_BIND"},
    FlagName{MS_REC, "MS_REC"},
    FlagName{MS_SILENT, "MS_SILENT"},
    FlagName{MS_UNBINDABLE, "MS_UNBINDABLE"},
    FlagName{MS_PRIVATE, "MS_PRIVATE"},
    FlagName{MS_SLAVE, "MS_SLAVE"},
    FlagName{MS_SHARED, "MS_SHARED"},
    FlagName{MS_RELATIME, "MS_RELATIME"},
    FlagName{MS_I_VERSION, "MS_I_VERSION"},
    FlagName{MS_STRICTATIME, "MS_STRICTATIME"},
    FlagName{kLazyTime, "MS_LAZYTIME"},
};

constexpr std::array<std::string_view, 3> kOwnOptions = {"tmpcopyup", "idmap", "ridmap"};

/// @return whether it is one of those that mean something to us alone
bool take_own_option(MountSpec& spec, std::string_view option) {
    if (option == "tmpcopyup") {
        spec.copy_up = true;
        return true;
    }
    if (option == "idmap" || option == "ridmap") {
        spec.own_id_maps = true;
        if (!spec.id_maps) {
            spec.id_maps.emplace();
        }
        spec.id_maps->below = option == "ridmap";
        return true;
    }
    return false;
}

bool take_below_option(MountSpec& spec, std::string_view option) {
    const auto* known = std::ranges::find(kBelowOptions, option, &BelowOption::name);
    if (known == kBelowOptions.end()) {
        return false;
    }
    spec.below_set = (spec.below_set & ~known->cleared) | known->set;
    spec.below_cleared = (spec.below_cleared & ~known->set) | known->cleared;
    return true;
}

void take_flag(MountSpec& spec, const Option& option) {
    if (option.sets) {
        spec.flags |= option.flag;
        spec.cleared &= ~option.flag;
    } else {
        spec.flags &= ~option.flag;
        spec.cleared |= option.flag;
    }
}

}  // namespace

MountSpec with_mount_options(MountSpec spec, std::span<const std::string> options) {
    for (const std::string& option : options) {
        const auto* known = std::ranges::find(kFlagOptions, option, &Option::name);
        if (known != kFlagOptions.end()) {
            take_flag(spec, *known);
        } else if (const unsigned long propagation = propagation_flags(option)) {
            spec.propagation = propagation;
        } else if (!take_below_option(spec, option) && !take_own_option(spec, option)) {
            spec.data += (spec.data.empty() ? "" : ",") + option;
        }
    }
    return spec;
}

std::vector<std::string_view> mount_option_names() {
    std::vector<std::string_view> names(kOwnOptions.begin(), kOwnOptions.end());
    const auto add = [&names](const auto& table) {
        for (const auto& option : table) {
            names.push_back(option.name);
        }
    };
    add(kFlagOptions);
    add(kBelowOptions);
    add(kPropagations);
    std::ranges::sort(names);
    return names;
}

unsigned long propagation_flags(std::string_view name) {
    const auto* known = std::ranges::find(kPropagations, name, &Option::name);
    return known == kPropagations.end() ? 0 : known->flag;
}

std::string mount_flag_names(unsigned long flags) {
    std::string names;
    for (const auto& [flag, name] : kMountFlagNames) {
        if ((flags & flag) != 0) {
            names += names.empty() ? "" : "|";
            names += name;
        }
    }
    return names.empty() ? "0" : names;
}

}  // namespace drydock
