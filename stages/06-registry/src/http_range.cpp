#include "http_range.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace drydock {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                    : std::nullopt;
}

}  // namespace

RequestedRange requested_range(std::string_view header, std::uint64_t size) {
    using Kind = RequestedRange::Kind;
    constexpr std::string_view kUnit = "bytes=";
    const std::size_t dash = header.find('-');
    if (!header.starts_with(kUnit) || dash == std::string_view::npos) {
        return {};
    }
    const std::string_view from = header.substr(kUnit.size(), dash - kUnit.size());
    const std::string_view to = header.substr(dash + 1);
    const auto first = number(from);
    const auto last = number(to);
    if ((!first && !from.empty()) || (!last && !to.empty()) || (!first && !last) ||
        (first && last && *last < *first)) {
        return {};
    }
    if (!first) {  // "-500": the last 500 bytes
        const std::uint64_t length = std::min(*last, size);
        return length == 0
                   ? RequestedRange{.kind = Kind::Unsatisfiable}
                   : RequestedRange{.kind = Kind::Part, .offset = size - length, .length = length};
    }
    if (*first >= size) {
        return {.kind = Kind::Unsatisfiable};
    }
    const std::uint64_t end = std::min(last.value_or(size - 1), size - 1);
    return {.kind = Kind::Part, .offset = *first, .length = end - *first + 1};
}

}  // namespace drydock
