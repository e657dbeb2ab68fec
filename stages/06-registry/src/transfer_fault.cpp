#include "transfer_fault.hpp"

#include <csignal>
#include <cstdlib>
#include <string>
#include <system_error>

#include <fmt/format.h>

namespace drydock {

void fault_after(std::string_view step) {
    const char* fault = std::getenv("DRYDOCK_FAIL");  // NOLINT(concurrency-mt-unsafe): only read
    if (fault == nullptr) {
        return;
    }
    const std::string_view text(fault);
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || text.substr(0, colon) != step) {
        return;
    }
    const std::string_view what = text.substr(colon + 1);
    constexpr std::string_view kError = "error=";
    if (what == "kill") {
        static_cast<void>(std::raise(SIGKILL));
    } else if (what.starts_with(kError)) {
        const int number = std::atoi(what.substr(kError.size()).data());  // NOLINT(cert-err34-c)
        throw std::system_error(number, std::system_category(),
                                fmt::format("DRYDOCK_FAIL={}", text));
    }
}

}  // namespace drydock
