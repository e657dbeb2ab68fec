#pragma once

#include <string>
#include <vector>

#include "07-compose/cli/engine.hpp"
#include "07-compose/cli/host.hpp"

namespace drydock::cli {

/// The engine at `flag` (chosen_host); when that is the default place and nobody listens there, a
/// daemon is started first: `drydock-daemon` in a session of its own, that writes to daemon.log in
/// the data root. Says so on stderr. A host that somebody named is never started.
/// @throws SetupError with the daemon's last words when it ended
Engine connect_or_start(const std::string& host_flag);

/// Ends the daemon behind the socket of `host` (SIGTERM) and waits until it is gone. Containers go
/// on.
/// @return false when nobody listens there
/// @throws InputError when the host is not a socket of this machine
bool stop_daemon(const Host& host);

/// The path of a program that is installed beside this one (or in $DRYDOCK_PROGRAMS).
std::string program_beside_us(const std::string& name);

/// Becomes `name`, a program beside this one, with these arguments.
/// @throws SetupError exit status 127 when it is not there
[[noreturn]] void become_program(const std::string& name,
                                 const std::vector<std::string>& arguments);

}  // namespace drydock::cli
