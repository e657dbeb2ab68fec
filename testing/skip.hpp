#pragma once

#include <string>

namespace drydock::testing {

/// Whether the programs are built with sanitizers: larger, with libraries and descriptors of their
/// own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// The test that is running could not be tried here: to be followed by `return`. Unless a check
/// fails, the program ends with 77 after it, which ctest counts as skipped, and prints "skipped:
/// REASON".
void skip_test(const std::string& reason);

/// For tests against a peer. @return whether `program` is in PATH; when it is not, the test counts
/// as skipped.
bool installed_or_skipped(const std::string& program);

}  // namespace drydock::testing
