#include "07-compose/engine/filters.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

[[noreturn]] void refuse(std::string_view text) {
    throw InputError(fmt::format(
        R"(invalid filters "{}": expected a JSON object such as {{"label":{{"a=b":true}}}})",
        text));
}

std::vector<std::string> parse_values(const nlohmann::json& values, std::string_view text) {
    std::vector<std::string> result;
    if (values.is_array()) {
        for (const auto& value : values) {
            if (!value.is_string()) {
                refuse(text);
            }
            result.push_back(value.get<std::string>());
        }
    } else if (values.is_object()) {
        for (const auto& [value, used] : values.items()) {
            if (!used.is_boolean() || used.get<bool>()) {
                result.push_back(value);
            }
        }
    } else {
        refuse(text);
    }
    return result;
}

}  // namespace

Filters parse_filters(std::string_view text, std::span<const std::string_view> known) {
    Filters filters;
    if (text.empty()) {
        return filters;
    }
    const auto parsed = nlohmann::json::parse(text, nullptr, false);
    if (!parsed.is_object()) {
        refuse(text);
    }
    for (const auto& [key, values] : parsed.items()) {
        if (std::ranges::find(known, key) == known.end()) {
            throw InputError(fmt::format("Invalid filter '{}'", key));
        }
        filters[key] = parse_values(values, text);
    }
    std::erase_if(filters, [](const auto& filter) { return filter.second.empty(); });
    return filters;
}

bool has_labels(const std::map<std::string, std::string>& labels,
                const std::vector<std::string>& wanted) {
    return std::ranges::all_of(wanted, [&](const std::string& want) {
        const auto equals = want.find('=');
        const auto label = labels.find(want.substr(0, equals));
        return label != labels.end() &&
               (equals == std::string::npos || label->second == want.substr(equals + 1));
    });
}

bool is_true(std::string_view value) {
    std::string lower(value);
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    constexpr std::array<std::string_view, 5> kFalse = {"", "0", "no", "false", "none"};
    return std::ranges::find(kFalse, lower) == kFalse.end();
}

}  // namespace drydock
