#include "shim_report.hpp"

#include <cerrno>
#include <charconv>

#include <fmt/format.h>

#include "01-chroot/exit_status.hpp"

namespace drydock {
namespace {

/// Takes a number off the front of `text`, and the one character behind it.
int take_int(std::string_view& text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const auto length = static_cast<std::size_t>(end - text.data());
    text.remove_prefix(std::min(text.size(), length + 1));
    return error == std::errc() ? number : 0;
}

}  // namespace

std::string to_text(const ShimReport& report) {
    return report.pid != 0 ? fmt::format("started {}\n", report.pid)
                           : fmt::format("failed {} {} {}", report.exit_status, report.error_number,
                                         report.error);
}

ShimReport parse_report(std::string_view text) {
    constexpr std::string_view kStarted = "started ";
    constexpr std::string_view kFailed = "failed ";
    ShimReport report;
    if (text.starts_with(kStarted)) {
        text.remove_prefix(kStarted.size());
        report.pid = take_int(text);
    } else if (text.starts_with(kFailed)) {
        text.remove_prefix(kFailed.size());
        report.exit_status = take_int(text);
        report.error_number = take_int(text);
        report.error = text;
    }
    if (report.pid == 0 && report.error.empty()) {
        return {.exit_status = kSetupFailed,
                .error_number = ECHILD,
                .error = "drydock-shim ended without a report"};
    }
    return report;
}

}  // namespace drydock
