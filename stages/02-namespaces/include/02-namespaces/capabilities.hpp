#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace drydock {

/// Bit n is capability n of capabilities(7).
using CapabilitySet = std::uint64_t;

/// Docker's 14: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE
/// NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP.
inline constexpr CapabilitySet kDefaultCapabilities = 0xa80425fb;

/// The five sets of a process.
struct Capabilities {
    CapabilitySet bounding = 0;  ///< what no execve can go beyond
    CapabilitySet permitted = 0;
    CapabilitySet effective = 0;
    CapabilitySet inheritable = 0;
    CapabilitySet ambient = 0;
};

/// The set with the one capability `name`: "CAP_NET_RAW", "NET_RAW", "net_raw".
/// @throws InputError for a name that is none
CapabilitySet capability(std::string_view name);
/// The names in `set`, as capabilities(7) writes them, lowest bit first.
std::vector<std::string> capability_names(CapabilitySet set);

/// `base` plus `add` minus `drop`; "ALL" stands for all of them.
/// @throws InputError for an unknown name
CapabilitySet adjusted(CapabilitySet base, std::span<const std::string> add,
                       std::span<const std::string> drop);

/// What a container whose command runs as `uid` gets: `set` for root; for anybody else only the
/// bound. Inheritable and ambient stay empty (CVE-2022-24769).
Capabilities capabilities_for(std::uint32_t uid, CapabilitySet set);

/// Cuts the bounding set to `set`; what the caller itself does not have is no error. Needs
/// CAP_SETPCAP, so it comes before set_capabilities() and before the user changes.
void bound_capabilities(CapabilitySet set);
/// Makes the other four sets those of `wanted`, cut to what the caller has.
void set_capabilities(const Capabilities& wanted);

/// What no execve of the caller can go beyond.
CapabilitySet own_bounding_set();

/// Whether the caller has all of `set` effective.
bool has_capabilities(CapabilitySet set);

/// From here on no execve gives this process more than it has: set-user-ID bits and file
/// capabilities do nothing.
/// @see prctl(2), PR_SET_NO_NEW_PRIVS
void set_no_new_privs();

}  // namespace drydock
