#include "02-namespaces/capabilities.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock {
namespace {

/// In the order of their numbers.
constexpr std::array<std::string_view, 41> kNames = {"CHOWN",
                                                     "DAC_OVERRIDE",
                                                     "DAC_READ_SEARCH",
                                                     "FOWNER",
                                                     "FSETID",
                                                     "KILL",
                                                     "SETGID",
                                                     "SETUID",
                                                     "SETPCAP",
                                                     "LINUX_IMMUTABLE",
                                                     "NET_BIND_SERVICE",
                                                     "NET_BROADCAST",
                                                     "NET_ADMIN",
                                                     "NET_RAW",
                                                     "IPC_LOCK",
                                                     "IPC_OWNER",
                                                     "SYS_MODULE",
                                                     "SYS_RAWIO",
                                                     "SYS_CHROOT",
                                                     "SYS_PTRACE",
                                                     "SYS_PACCT",
                                                     "SYS_ADMIN",
                                                     "SYS_BOOT",
                                                     "SYS_NICE",
                                                     "SYS_RESOURCE",
                                                     "SYS_TIME",
                                                     "SYS_TTY_CONFIG",
                                                     "MKNOD",
                                                     "LEASE",
                                                     "AUDIT_WRITE",
                                                     "AUDIT_CONTROL",
                                                     "SETFCAP",
                                                     "MAC_OVERRIDE",
                                                     "MAC_ADMIN",
                                                     "SYSLOG",
                                                     "WAKE_ALARM",
                                                     "BLOCK_SUSPEND",
                                                     "AUDIT_READ",
                                                     "PERFMON",
                                                     "BPF",
                                                     "CHECKPOINT_RESTORE"};
constexpr CapabilitySet kAll = (CapabilitySet{1} << kNames.size()) - 1;

struct Sets {
    CapabilitySet effective = 0;
    CapabilitySet permitted = 0;
    CapabilitySet inheritable = 0;
};

using Data = std::array<__user_cap_data_struct, 2>;

Sets own_sets() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    Data data{};
    check(::syscall(SYS_capget, &header, data.data()), "capget()");
    const auto joined = [](std::uint32_t low, std::uint32_t high) {
        return CapabilitySet{high} << 32U | low;
    };
    return {.effective = joined(data[0].effective, data[1].effective),
            .permitted = joined(data[0].permitted, data[1].permitted),
            .inheritable = joined(data[0].inheritable, data[1].inheritable)};
}

void set_own(const Sets& sets) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    Data data{};
    for (unsigned i = 0; i < data.size(); ++i) {
        const auto part = [i](CapabilitySet set) {
            return static_cast<std::uint32_t>(set >> (32U * i));
        };
        data.at(i) = {.effective = part(sets.effective),
                      .permitted = part(sets.permitted),
                      .inheritable = part(sets.inheritable)};
    }
    check(::syscall(SYS_capset, &header, data.data()),
          "capset(effective={:#x}, permitted={:#x}, inheritable={:#x})", sets.effective,
          sets.permitted, sets.inheritable);
}

bool contains(CapabilitySet set, int number) {
    return (set >> static_cast<unsigned>(number) & 1U) != 0;
}

CapabilitySet set_of(std::span<const std::string> names) {
    CapabilitySet set = 0;
    for (const std::string& name : names) {
        set |= name == "ALL" || name == "all" ? kAll : capability(name);
    }
    return set;
}

}  // namespace

CapabilitySet capability(std::string_view name) {
    std::string upper(name);
    std::ranges::transform(upper, upper.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    constexpr std::string_view kPrefix = "CAP_";
    const std::string_view bare = upper.starts_with(kPrefix)
                                      ? std::string_view(upper).substr(kPrefix.size())
                                      : std::string_view(upper);
    const auto* found = std::ranges::find(kNames, bare);
    if (found == kNames.end()) {
        throw InputError(fmt::format(
            "capability {}: expected a name of capabilities(7), such as CAP_NET_RAW", name));
    }
    return CapabilitySet{1} << static_cast<unsigned>(found - kNames.begin());
}

std::vector<std::string> capability_names(CapabilitySet set) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (contains(set, static_cast<int>(i))) {
            names.push_back(fmt::format("CAP_{}", kNames.at(i)));
        }
    }
    return names;
}

CapabilitySet adjusted(CapabilitySet base, std::span<const std::string> add,
                       std::span<const std::string> drop) {
    const CapabilitySet dropped = set_of(drop);
    // As docker reads it: "--cap-drop ALL --cap-add X" leaves X, "--cap-add ALL --cap-drop X" all
    // but X.
    return dropped == kAll ? set_of(add) : (base | set_of(add)) & ~dropped;
}

Capabilities capabilities_for(std::uint32_t uid, CapabilitySet set) {
    return uid == 0 ? Capabilities{.bounding = set, .permitted = set, .effective = set}
                    : Capabilities{.bounding = set};
}

// [region: bound-capabilities]
void bound_capabilities(CapabilitySet set) {
    // To where the kernel knows no more of them: it may be newer than our names.
    for (int number = 0;; ++number) {
        const int has = ::prctl(PR_CAPBSET_READ, number);
        if (has == -1) {
            return;
        }
        if (has == 1 && !contains(set, number)) {
            check(::prctl(PR_CAPBSET_DROP, number), "prctl(PR_CAPBSET_DROP, {})", number);
        }
    }
}
// [/region]

// [region: set-capabilities]
void set_capabilities(const Capabilities& wanted) {
    const Sets own = own_sets();
    const CapabilitySet permitted = wanted.permitted & own.permitted;
    const CapabilitySet inheritable = wanted.inheritable & own.permitted;
    check(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0),
          "prctl(PR_CAP_AMBIENT_CLEAR_ALL)");
    set_own({.effective = wanted.effective & permitted,
             .permitted = permitted,
             .inheritable = inheritable});
    for (int number = 0; number < static_cast<int>(kNames.size()); ++number) {
        if (contains(wanted.ambient & permitted & inheritable, number)) {
            check(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0),
                  "prctl(PR_CAP_AMBIENT_RAISE, {})", number);
        }
    }
}
// [/region]

CapabilitySet own_bounding_set() {
    CapabilitySet set = 0;
    for (int number = 0; number < static_cast<int>(kNames.size()); ++number) {
        if (::prctl(PR_CAPBSET_READ, number) == 1) {
            set |= CapabilitySet{1} << static_cast<unsigned>(number);
        }
    }
    return set;
}

bool has_capabilities(CapabilitySet set) {
    return (own_sets().effective & set) == set;
}

void set_no_new_privs() {
    check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS, 1)");
}

}  // namespace drydock
