#include "07-compose/engine/time_text.hpp"

#include <array>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

using namespace std::chrono_literals;

/// Takes a number of exactly `digits` digits from the front of `text`.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
    int number = 0;
    if (text.size() < digits) {
        return std::nullopt;
    }
    for (const char c : text.substr(0, digits)) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        number = number * 10 + (c - '0');
    }
    text.remove_prefix(digits);
    return number;
}

/// ".123" as nanoseconds; takes it from the front of `text`, and nothing when there is no dot.
std::chrono::nanoseconds take_fraction(std::string_view& text) {
    if (!text.starts_with('.')) {
        return 0ns;
    }
    text.remove_prefix(1);
    std::int64_t nanoseconds = 0;
    for (std::int64_t place = 100'000'000;
         !text.empty() && text.front() >= '0' && text.front() <= '9'; place /= 10) {
        nanoseconds += (text.front() - '0') * place;
        text.remove_prefix(1);
    }
    return std::chrono::nanoseconds(nanoseconds);
}

/// "Z", "+01:00" or "-05:30" as the distance from UTC.
std::optional<std::chrono::minutes> parse_zone(std::string_view text) {
    if (text == "Z") {
        return 0min;
    }
    if (text.size() != 6 || (text.front() != '+' && text.front() != '-') || text[3] != ':') {
        return std::nullopt;
    }
    const int sign = text.front() == '-' ? -1 : 1;
    text.remove_prefix(1);
    const auto hours = take_number(text, 2);
    text.remove_prefix(1);
    const auto minutes = take_number(text, 2);
    if (!hours || !minutes) {
        return std::nullopt;
    }
    return sign * (std::chrono::hours(*hours) + std::chrono::minutes(*minutes));
}

}  // namespace

Time now() {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

std::string to_text(const std::optional<Time>& time) {
    if (!time) {
        return "0001-01-01T00:00:00Z";
    }
    const auto day = std::chrono::floor<std::chrono::days>(*time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(*time - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                       clock.subseconds().count());
}

std::optional<Time> parse_time(std::string_view text) {
    // "2026-01-02T03:04:05": each number and what stands behind it.
    constexpr std::array<std::pair<std::size_t, char>, 6> kParts = {
        {{4, '-'}, {2, '-'}, {2, 'T'}, {2, ':'}, {2, ':'}, {2, '\0'}}};
    std::array<int, 6> numbers{};
    for (std::size_t i = 0; i < kParts.size(); ++i) {
        const auto number = take_number(text, kParts.at(i).first);
        const char behind = kParts.at(i).second;
        if (!number || (behind != '\0' && !text.starts_with(behind))) {
            return std::nullopt;
        }
        numbers.at(i) = *number;
        text.remove_prefix(behind == '\0' ? 0 : 1);
    }
    const auto fraction = take_fraction(text);
    const auto zone = parse_zone(text);
    const std::chrono::year_month_day date{std::chrono::year{numbers[0]},
                                           std::chrono::month{static_cast<unsigned>(numbers[1])},
                                           std::chrono::day{static_cast<unsigned>(numbers[2])}};
    if (!zone || !date.ok() || numbers[0] < 1970) {
        return std::nullopt;
    }
    return std::chrono::sys_days(date) + std::chrono::hours(numbers[3]) +
           std::chrono::minutes(numbers[4]) + std::chrono::seconds(numbers[5]) + fraction - *zone;
}

namespace {

/// "24h", "1h30m", "10s": so long before now.
std::optional<Time> parse_ago(std::string_view text) {
    std::chrono::nanoseconds total{0};
    while (!text.empty()) {
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        if (error != std::errc{} || text.empty() || number < 0 || number > 1'000'000) {
            return std::nullopt;
        }
        switch (text.front()) {
            case 'h':
                total += std::chrono::hours(number);
                break;
            case 'm':
                total += std::chrono::minutes(number);
                break;
            case 's':
                total += std::chrono::seconds(number);
                break;
            default:
                return std::nullopt;
        }
        text.remove_prefix(1);
    }
    return now() - total;
}

}  // namespace

Time parse_query_time(std::string_view text) {
    if (const auto time = parse_time(text)) {
        return *time;
    }
    if (const auto time = text.empty() ? std::nullopt : parse_ago(text)) {
        return *time;
    }
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
    const auto fraction = take_fraction(rest);
    if (error != std::errc{} || !rest.empty()) {
        throw InputError(fmt::format(
            "invalid time \"{}\": expected seconds since 1970, RFC 3339, or like 24h", text));
    }
    return Time(std::chrono::seconds(seconds) + fraction);
}

std::string duration_in_words(std::chrono::nanoseconds duration) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(duration).count();
    const auto minutes = seconds / 60;
    const auto hours = (minutes + 30) / 60;  // rounded, as Go's units package does
    const auto days = hours / 24;
    if (seconds < 1) {
        return "Less than a second";
    }
    if (seconds < 60) {
        return seconds == 1 ? "1 second" : fmt::format("{} seconds", seconds);
    }
    if (minutes < 60) {
        return minutes == 1 ? "About a minute" : fmt::format("{} minutes", minutes);
    }
    if (hours < 48) {
        return hours == 1 ? "About an hour" : fmt::format("{} hours", hours);
    }
    if (days < 14) {
        return fmt::format("{} days", days);
    }
    if (days < 60) {
        return fmt::format("{} weeks", days / 7);
    }
    return days < 730 ? fmt::format("{} months", days / 30) : fmt::format("{} years", days / 365);
}

}  // namespace drydock
