#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace drydock {

// What drydock-runtime has to say: on stderr for who types, and in a log file for the program that
// started it and shows its users the last line of that.

enum class LogFormat { Text, Json };

/// Appends to `file` as well from now on; "": to stderr alone.
/// @throws std::system_error when it cannot be opened
void open_runtime_log(const std::filesystem::path& file, LogFormat format, bool debug);

/// One line each. A warning goes to the log alone if there is one: stderr is the container's as
/// well.
/// {"level":"error","msg":"…","time":"2026-01-02T03:04:05Z"} or, as text,
/// time="…" level=error msg="…". "": nothing to say.
void warn(std::string_view text);
void say(std::string_view text);
void log_debug(std::string_view text);
/// In the log file only: what main prints on stderr.
void log_error(std::string_view text) noexcept;

}  // namespace drydock
