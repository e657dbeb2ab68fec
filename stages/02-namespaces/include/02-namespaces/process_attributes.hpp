#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "02-namespaces/scheduling.hpp"

namespace drydock {

/// What a process keeps over execve that is neither an ID, nor a limit, nor a privilege.
struct ProcessAttributes {
    std::optional<int> oom_score_adj{};
    std::optional<IoPriority> io_priority{};
    std::optional<SchedulingPolicy> scheduling{};
    std::string personality{};       ///< "LINUX", "LINUX32"; "": as it is
    std::string apparmor_profile{};  ///< "": none
    std::string selinux_label{};     ///< "": none
};

/// All that are there. To be called while /proc is the host's.
void set_attributes(const ProcessAttributes& attributes);

// What a process is marked with through its own files in /proc. To be called while /proc is the
// host's: a container's own may have been tampered with (CVE-2019-16884).

/// How readily the kernel kills this process for want of memory: -1000 (never) to 1000 (first).
/// @throws std::system_error EACCES when it is below what only CAP_SYS_RESOURCE may go
/// @see proc(5), /proc/PID/oom_score_adj
void set_oom_score_adj(int score);

/// The same that this process has.
int own_oom_score_adj();

/// From the next execve on this process is confined by the AppArmor profile `profile`.
/// @throws InputError when the kernel has no AppArmor
void set_apparmor_profile(std::string_view profile);
/// The same for SELinux and a label as in "system_u:system_r:container_t:s0:c1,c2".
void set_selinux_label(std::string_view label);

/// @throws InputError when it is not there, naming `what` was asked for
void require_apparmor(std::string_view what);
void require_selinux(std::string_view what);

/// The execution domain: "LINUX", or "LINUX32", in which uname(2) names a 32-bit machine.
/// @throws InputError for another one
/// @see personality(2)
void set_personality(std::string_view domain);

}  // namespace drydock
