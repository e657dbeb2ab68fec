#include "02-namespaces/landlock.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "01-chroot/check.hpp"
#include "01-chroot/unique_fd.hpp"

namespace drydock {
namespace {

/// landlock_ruleset_attr of Linux 6.12; many installed headers are older.
struct Ruleset {
    std::uint64_t handled_access_fs = 0;
    std::uint64_t handled_access_net = 0;
    std::uint64_t scoped = 0;
};
constexpr unsigned kAskForVersion = 1;            // LANDLOCK_CREATE_RULESET_VERSION
constexpr std::uint64_t kAbstractUnixSocket = 1;  // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
constexpr long kFirstWithScopes = 6;

}  // namespace

bool can_scope_abstract_sockets() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskForVersion) >= kFirstWithScopes;
}

void scope_abstract_sockets() {
    if (!can_scope_abstract_sockets()) {
        return;
    }
    // It restricts no files, so mounting stays what the capabilities make it.
    const Ruleset ruleset{.scoped = kAbstractUnixSocket};
    const UniqueFd fd(static_cast<int>(
        check(::syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0),
              "landlock_create_ruleset(scoped=LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET)")));
    check(::syscall(SYS_landlock_restrict_self, fd.get(), 0), "landlock_restrict_self()");
}

}  // namespace drydock
