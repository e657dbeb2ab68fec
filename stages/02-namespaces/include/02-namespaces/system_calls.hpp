#pragma once

#include <string_view>

namespace drydock {

/// A way into the kernel, with system call numbers of its own.
enum class Abi {
    Native,  ///< this program's: x86-64 or arm64
    I386,    ///< int 0x80 on x86-64: what 32-bit programs use
};

/// The number of a system call; -1 for a name that the ABI does not have.
int system_call_number(std::string_view name, Abi abi = Abi::Native);

/// One more than the highest number that Drydock has a name for.
int end_of_system_calls(Abi abi = Abi::Native);

/// Calls from this number on were added after the kernel's developers agreed to give a new call one
/// number on every machine, without gaps (Linux 5.1).
inline constexpr int kFirstSharedCall = 424;

}  // namespace drydock
