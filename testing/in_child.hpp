#pragma once

#include <functional>
#include <string>

namespace drydock::testing {

// Catch2 must not see a fork, so a child gives back a fact and the parent CHECKs it.

/// Runs `body` in a child process and gives back what it returned, 0 to 124. An exception in it is
/// 125, with its text on stderr; a signal n is 128 + n.
int in_child(const std::function<int()>& body);

/// The same in a child with a mount namespace of its own, in which every mount is private.
int in_mount_namespace(const std::function<int()>& body);

/// The same as user and group `id` without supplementary groups.
int in_child_as(unsigned id, const std::function<int()>& body);

/// Runs `body` in a child process and gives back the text it returned.
std::string text_from_child(const std::function<std::string()>& body);

}  // namespace drydock::testing
