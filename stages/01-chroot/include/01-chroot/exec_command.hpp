#pragma once

#include <string>
#include <vector>

namespace drydock {

/// A command as a container's user asks for it.
struct Command {
    std::vector<std::string>
        argv{};  ///< at least one; argv[0] without "/" is looked up in PATH of `env`
    std::vector<std::string> env{};  ///< "NAME=value"; nothing is inherited
    std::string workdir = "/";       ///< absolute path inside the root
    unsigned preserved_fds = 0;      ///< descriptors 3 to 2 + this stay open
};

inline constexpr const char* kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes command.workdir the working directory. Without this step a directory of the host that was
/// open as "." stays reachable from inside.
/// @throws SetupError exit status 126 (a file, no permission, outside the root) or 127 (not there)
void enter_workdir(const Command& command);

/// Fails as exec_command() would for a command that is not there or may not be run, without running
/// it: for those who must know before they let others wait for it.
void check_command(const Command& command);

/// Replaces this process by the command. Files other than 0, 1, 2 and those preserved are closed on
/// the way.
/// @throws SetupError with exit status 127 when the command is not there and 126 when it cannot be
/// run; the text is
///         docker's: `exec: "x": executable file not found in $PATH`
/// @see    execve(2)
[[noreturn]] void exec_command(const Command& command);

}  // namespace drydock
