#pragma once

#include <poll.h>

#include <span>

namespace drydock {

/// poll(2) for who will wait long: lets go first of the memory that only work needs. A shim is
/// there for as long as its container, and does nothing but wait. What it needs of its program
/// later comes from the page cache again.
/// @return as poll(2), with errno
int poll_small(std::span<pollfd> events, int timeout_ms) noexcept;

}  // namespace drydock
