#pragma once

#include <sys/types.h>

#include <filesystem>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// In characters; 0: not said.
struct TerminalSize {
    unsigned short rows = 0;
    unsigned short columns = 0;
};

/// A pseudo-terminal: what is written to one end is read from the other.
struct PseudoTerminal {
    UniqueFd master{};  ///< for who types
    UniqueFd peer{};  ///< for who is typed to; never opened by its name, which could be any file's
};

/// A new one from the devpts at /dev/pts below the directory `root`, which the owner of that root
/// may have put there: nothing but a devpts is taken.
/// @throws SetupError when there is none
/// @see pts(4), ioctl_tty(2), "TIOCGPTPEER"
PseudoTerminal open_pseudo_terminal(int root, TerminalSize size);

/// /dev/console below the directory `root` is that terminal.
/// @see OCI runtime-spec, config-linux.md, "Default Devices"
void bind_console(int root, int peer);

/// `peer` is all three standard streams of the calling process.
void use_as_standard_streams(int peer);
/// The terminal that is standard input is the controlling terminal of the calling process, which is
/// a session leader without one (leave_terminal()).
void take_controlling_terminal();

/// Those of the standard streams that are pipes, or our terminal, are `uid`'s, so that it may open
/// them again by /dev/stdout. What else there may be (files, the terminal of the host) is not ours
/// to give, and what may not be changed stays as it is.
void own_standard_streams(uid_t uid, bool own_terminal);

/// Sends `fd` to who listens at the other end of `socket`.
/// @see unix(7), SCM_RIGHTS
void send_descriptor(int socket, int fd);
/// @throws SetupError when the other end is closed before anything came
UniqueFd receive_descriptor(int socket);

/// A connection to the socket at `path`, however long that is.
/// @param type SOCK_STREAM or SOCK_SEQPACKET
UniqueFd connect_to_socket(const std::filesystem::path& path, int type);

}  // namespace drydock
