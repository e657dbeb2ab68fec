#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace drydock {

/// The `filters` parameter of the API: for every key the values it was given.
using Filters = std::map<std::string, std::vector<std::string>>;

/// Reads {"label":{"a=b":true}} (Go) and {"label":["a=b"]} (docker-py) alike; nothing for "" .
/// @param known the keys this request understands
/// @throws InputError "Invalid filter 'x'" for another key, and for what is no such JSON
Filters parse_filters(std::string_view text, std::span<const std::string_view> known);

/// Whether `labels` have every one of `wanted` ("key" or "key=value"): labels are the one key whose
/// values are ANDed.
bool has_labels(const std::map<std::string, std::string>& labels,
                const std::vector<std::string>& wanted);

/// "", 0, no, false and none (in any case) are false, everything else is true.
bool is_true(std::string_view value);

}  // namespace drydock
