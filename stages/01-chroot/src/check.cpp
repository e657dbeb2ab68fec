#include "01-chroot/check.hpp"

#include <system_error>

namespace drydock {

std::vector<std::string>* narrated_calls = nullptr;

namespace detail {

void throw_call_failed(int error, fmt::string_view call, fmt::format_args args) {
    throw std::system_error(error, std::generic_category(), fmt::vformat(call, args));
}

void narrate_call(fmt::string_view call, fmt::format_args args) {
    const int saved = errno;  // a caller may still want to look at it
    narrated_calls->push_back(fmt::vformat(call, args));
    errno = saved;
}

}  // namespace detail
}  // namespace drydock
