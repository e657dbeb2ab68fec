#pragma once

namespace drydock {

/// Lets go of the memory that only work needs: a shim is there for as long as its container, and
/// does nothing but wait. What it needs of its program later comes from the page cache again.
void become_small() noexcept;

}  // namespace drydock
