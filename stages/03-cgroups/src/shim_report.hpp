#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace drydock {

/// What a shim tells the one who started it, once, on its standard output.
struct ShimReport {
    pid_t pid = 0;         ///< of the container's first process; 0: there is no container
    int exit_status = 0;   ///< 125, 126 or 127 when there is none
    int error_number = 0;  ///< errno, when there is none
    std::string error{};   ///< what failed, when there is none
};

/// "started PID\n" or "failed STATUS ERRNO TEXT".
std::string to_text(const ShimReport& report);
/// A shim that died without a word has failed, with exit status 125.
ShimReport parse_report(std::string_view text);

}  // namespace drydock
