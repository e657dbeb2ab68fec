#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace drydock::cli {

/// The fields of a row of `stats` from the API's answer, as docker computes them: ID, Name,
/// CPUPerc, MemUsage, MemPerc, NetIO, BlockIO, PIDs.
nlohmann::json usage_row(const nlohmann::json& stats, bool whole_id);

/// "12.3MiB"
std::string binary_size(double bytes);

/// For the API's `since` and `until`: a duration ("10m", "1h30m") becomes the moment so long ago,
/// anything else stays.
std::string moment_parameter(std::string_view text);

}  // namespace drydock::cli
