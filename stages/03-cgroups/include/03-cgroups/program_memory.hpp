#pragma once

namespace drydock {

/// Lets go of what this process holds of its program and libraries that can be read from their
/// files again: most of it only the start needed. For who has started and will mostly wait; what is
/// needed again comes from the page cache, a page at a time. Any thread, at any time.
/// @see madvise(2), MADV_DONTNEED on private mappings of files
void release_program_pages() noexcept;

}  // namespace drydock
