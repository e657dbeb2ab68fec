#pragma once

#include <linux/filter.h>

#include <span>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "02-namespaces/seccomp_profile.hpp"

namespace drydock {

/// A filter that decides as the profile says: neighbouring numbers with the same verdict become one
/// range, and a binary search finds the range, so that a profile of 350 names is about 150
/// instructions and a decision about 8.
/// @throws InputError when it would be longer than the kernel takes (4096 instructions)
/// @see    seccomp(2), bpf(4)
std::vector<sock_filter> compile_seccomp(const SeccompProfile& profile);

/// From here on every system call of this process and its children is decided by `filter`.
/// @pre    no_new_privs is set, or the caller has CAP_SYS_ADMIN
void load_seccomp(std::span<const sock_filter> filter);

/// The same with SECCOMP_FILTER_FLAG_* bits.
/// @return with SECCOMP_FILTER_FLAG_NEW_LISTENER who decides about SECCOMP_RET_USER_NOTIF: a
///         descriptor for seccomp_unotify(2); else empty
UniqueFd load_seccomp(std::span<const sock_filter> filter, unsigned long flags);

}  // namespace drydock
