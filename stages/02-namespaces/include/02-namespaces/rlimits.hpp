#pragma once

#include <sys/resource.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace drydock {

/// One limit of setrlimit(2).
struct Rlimit {
    std::string name{};  ///< "RLIMIT_NOFILE"
    rlim_t soft = 0;
    rlim_t hard = 0;
};

/// No core files unless asked for (soft 0), 1024 descriptors with room up to 524288; each cut to
/// what the caller may give.
std::vector<Rlimit> default_rlimits();

/// @throws InputError for an unknown name, and for a hard limit above the caller's own, which only
///         CAP_SYS_RESOURCE may raise
void check_rlimit(const Rlimit& limit);

/// Sets exactly these.
/// @throws InputError for an unknown name; std::system_error EPERM when one is above the caller's
/// hard limit, which only
///         CAP_SYS_RESOURCE may raise
void set_rlimits(std::span<const Rlimit> limits);

}  // namespace drydock
