#include "03-cgroups/runtime_log.hpp"

#include <fcntl.h>

#include <cstdio>
#include <exception>

#include <nlohmann/json.hpp>

#include "01-chroot/file.hpp"
#include "01-chroot/printable.hpp"
#include "03-cgroups/state.hpp"

namespace drydock {
namespace {

struct RuntimeLog {
    UniqueFd file{};
    LogFormat format = LogFormat::Text;
    bool debug = false;
};

RuntimeLog& runtime_log() {
    static RuntimeLog log;
    return log;
}

std::string quoted(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append(const char* level, std::string_view text) {
    const RuntimeLog& log = runtime_log();
    if (!log.file) {
        return;
    }
    const std::string line =
        log.format == LogFormat::Json
            ? fmt::format("{{\"level\":\"{}\",\"msg\":{},\"time\":\"{}\"}}\n", level, quoted(text),
                          timestamp())
            : fmt::format("time=\"{}\" level={} msg={}\n", timestamp(), level, quoted(text));
    write_all(log.file.get(), line, "log");
}

}  // namespace

void open_runtime_log(const std::filesystem::path& file, LogFormat format, bool debug) {
    RuntimeLog& log = runtime_log();
    log.format = format;
    log.debug = debug;
    if (!file.empty()) {
        log.file = open_file(file, O_WRONLY | O_CREAT | O_APPEND, 0644);
    }
}

void say(std::string_view text) {
    if (!text.empty()) {
        static_cast<void>(std::fprintf(stderr, "drydock-runtime: %s\n", printable(text).c_str()));
        append("info", text);
    }
}

void warn(std::string_view text) {
    if (text.empty()) {
        return;
    }
    if (!runtime_log().file) {
        static_cast<void>(
            std::fprintf(stderr, "drydock-runtime: warning: %s\n", printable(text).c_str()));
    }
    append("warning", text);
}

void log_debug(std::string_view text) {
    if (runtime_log().debug) {
        append("debug", text);
    }
}

void log_error(std::string_view text) noexcept {
    try {
        append("error", text);
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): it is on stderr as well
    }
}

}  // namespace drydock
