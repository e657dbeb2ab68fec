#pragma once

namespace drydock {

/// What the first process of a container does that was started with --init: runs the command as its
/// child, reaps whatever ends, passes signals on, and ends as the command does.
/// @param argv of the command, with the null at its end
/// @return only when the command cannot be run: 126 or 127, and why is on the error output
int run_as_init(char** argv);

}  // namespace drydock
