#pragma once

#include <cerrno>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace drydock {

/// Where check() writes the text of each call that succeeded, while somebody listens; null at all
/// other times, and then a successful call costs one comparison. The walker (step.hpp) listens on
/// behalf of --explain.
extern std::vector<std::string>* narrated_calls;

namespace detail {
[[noreturn]] void throw_call_failed(int error, fmt::string_view call, fmt::format_args args);
void narrate_call(fmt::string_view call, fmt::format_args args);
}  // namespace detail

/// Gives back `rc`, the result of a system call, unless it is -1.
///
/// @param call  the call with its arguments under the man page's names: "mount(source={},
/// target={})"
/// @throws std::system_error "mount(source=x, target=/y): No such file or directory"; code() is the
/// errno.
template <class Rc, class... Args>
Rc check(Rc rc, fmt::format_string<const Args&...> call, const Args&... args) {
    if (rc == Rc{-1}) [[unlikely]] {
        const int error = errno;  // first: formatting may change it
        detail::throw_call_failed(error, call, fmt::make_format_args(args...));
    }
    if (narrated_calls != nullptr) [[unlikely]] {
        detail::narrate_call(call, fmt::make_format_args(args...));
    }
    return rc;
}

}  // namespace drydock
