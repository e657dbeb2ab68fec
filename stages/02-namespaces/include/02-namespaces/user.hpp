#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace drydock {

/// Who a command runs as.
struct User {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups{};  ///< supplementary groups: exactly these
    std::string home = "/";
};

/// Reads "", "USER", "UID", "USER:GROUP", "UID:GID": "" is root. Names are those of /etc/passwd and
/// /etc/group below the directory open as `root`; a number is always an ID, whatever name looks
/// like it (CVE-2016-3697).
/// @throws InputError for what is not there, or no ID (0 to 4294967294)
User find_user(int root, std::string_view text);

/// Becomes that user, with exactly those groups; capabilities stay permitted until
/// set_capabilities().
/// @throws InputError for an ID that the user namespace does not map
void become_user(const User& user);

}  // namespace drydock
