#pragma once

#include "01-chroot/child.hpp"
#include "01-chroot/signals.hpp"
#include "02-namespaces/terminal.hpp"

namespace drydock {

/// A console socket of one's own: the container sends its terminal's other end to `child`, and it
/// arrives at `host`.
struct ConsoleSockets {
    UniqueFd host{};
    UniqueFd child{};
};
ConsoleSockets make_console_sockets();

/// That of the terminal that is our standard input; `otherwise` when it is none, or when that says
/// something.
TerminalSize size_of_own_terminal(TerminalSize otherwise);

/// Sits between our standard streams and a container's terminal until `child` has ended: what is
/// typed goes in as it is (raw mode, put back on every way out), what comes out goes to standard
/// output, a change of our window's size and every signal of `signals` is passed on.
/// @param master the terminal's other end
/// @return the child's exit status
int serve_terminal(Child& child, const BlockedSignals& signals, UniqueFd master);

}  // namespace drydock
