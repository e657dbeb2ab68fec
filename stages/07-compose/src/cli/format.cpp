#include "07-compose/cli/format.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include <fmt/format.h>

namespace drydock::cli {
namespace {

/// The length of the well-formed UTF-8 sequence at the beginning of `text` that is no control
/// character; 0 for none.
std::size_t printable_sequence(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return static_cast<unsigned>(static_cast<unsigned char>(text[i]));
    };
    const unsigned first = byte(0);
    if (first < 0x80) {
        return first >= 0x20 && first != 0x7f ? 1 : 0;
    }
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) {
            return 0;
        }
    }
    const bool c1_control = first == 0xc2 && byte(1) < 0xa0;
    // Bidirectional overrides (U+202A to U+202E, U+2066 to U+2069) make a line read as another one.
    const bool override =
        first == 0xe2 && ((byte(1) == 0x80 && byte(2) >= 0xaa && byte(2) <= 0xae) ||
                          (byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9));
    return c1_control || override ? 0 : length;
}

/// Characters, not bytes.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80; }));
}

}  // namespace

std::string printable(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const std::size_t length = printable_sequence(text);
        if (length == 0) {
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
            text.remove_prefix(1);
        } else {
            result += text.substr(0, length);
            text.remove_prefix(length);
        }
    }
    return result;
}

std::string Table::text() const {
    constexpr std::size_t kGap = 3;
    std::vector<std::vector<std::string>> rows = rows_;
    std::vector<std::size_t> widths(rows_.front().size(), 0);
    for (auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            row[i] = printable(row[i]);
            widths[i] = std::max(widths[i], width_of(row[i]));
        }
    }
    std::string result;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            result += row[i];
            if (i + 1 < row.size()) {
                result.append(widths[i] + kGap - width_of(row[i]), ' ');
            }
        }
        result += '\n';
    }
    return result;
}

std::string human_size(std::uint64_t bytes) {
    constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1000 && unit + 1 < kUnits.size()) {
        value /= 1000;
        ++unit;
    }
    return fmt::format("{:.3g}{}", value, kUnits[unit]);
}

std::string human_duration(std::int64_t seconds) {
    constexpr std::int64_t kMinute = 60;
    constexpr std::int64_t kHour = 60 * kMinute;
    constexpr std::int64_t kDay = 24 * kHour;
    if (seconds < 1) {
        return "Less than a second";
    }
    if (seconds < kMinute) {
        return seconds == 1 ? "1 second" : fmt::format("{} seconds", seconds);
    }
    if (seconds < kHour) {
        return seconds < 2 * kMinute ? "About a minute"
                                     : fmt::format("{} minutes", seconds / kMinute);
    }
    const std::int64_t hours = (seconds + kHour / 2) / kHour;
    if (hours < 48) {
        return hours == 1 ? "About an hour" : fmt::format("{} hours", hours);
    }
    const std::int64_t days = seconds / kDay;
    if (days < 14) {
        return fmt::format("{} days", days);
    }
    if (days < 60) {
        return fmt::format("{} weeks", days / 7);
    }
    return days < 730 ? fmt::format("{} months", days / 30) : fmt::format("{} years", days / 365);
}

std::string short_id(std::string_view id) {
    constexpr std::size_t kDigits = 12;
    const auto colon = id.find(':');
    return std::string(colon == std::string_view::npos ? id.substr(0, kDigits)
                                                       : id.substr(colon + 1, kDigits));
}

std::string ellipsis(std::string_view text, std::size_t width) {
    if (width_of(text) <= width) {
        return std::string(text);
    }
    std::size_t end = 0;
    for (std::size_t characters = 0; end < text.size(); ++end) {
        const bool begins = (static_cast<unsigned char>(text[end]) & 0xc0U) != 0x80;
        if (begins && ++characters == width) {
            break;
        }
    }
    return std::string(text.substr(0, end)) + "…";
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0U);
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
    std::string best;
    std::size_t least = word.size() / 3 + 2;
    for (const std::string& candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < least) {
            least = distance;
            best = candidate;
        }
    }
    return best;
}

bool is_terminal(int fd) noexcept {
    return ::isatty(fd) == 1;
}

}  // namespace drydock::cli
