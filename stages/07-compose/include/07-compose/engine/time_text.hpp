#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace drydock {

using Time = std::chrono::sys_time<std::chrono::nanoseconds>;

/// Now, by the wall clock.
Time now();

/// "2026-01-02T03:04:05.000000006Z": RFC 3339, always nine digits, UTC. Nothing is
/// "0001-01-01T00:00:00Z", as in Go.
std::string to_text(const std::optional<Time>& time);

/// What to_text writes, with any number of digits behind the second; nothing for Go's zero time and
/// for what is no time.
std::optional<Time> parse_time(std::string_view text);

/// A moment as query parameters have it: "1700000000", "1700000000.000000001", RFC 3339, or "1h30m"
/// for so long ago.
/// @throws InputError naming it
Time parse_query_time(std::string_view text);

/// How long, in the words of `docker ps`: "Less than a second", "5 seconds", "About a minute", "3
/// weeks".
std::string duration_in_words(std::chrono::nanoseconds duration);

}  // namespace drydock
