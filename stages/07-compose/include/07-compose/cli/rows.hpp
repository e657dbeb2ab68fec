#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace drydock::cli {

/// How a list is shown: the columns of its table, and what --format says instead.
struct Listing {
    /// Heading and name of the field: {"CONTAINER ID", "ID"}
    std::vector<std::pair<std::string, std::string>> columns{};
    std::string
        format{};  ///< "" or "table": the table; "json": an object a line; else a template for each
    bool quiet = false;  ///< only the field ID
};

/// @param rows objects whose fields are strings
std::string list_text(const Listing& listing, const std::vector<nlohmann::json>& rows);

/// A Go template as far as scripts use it: {{.Field}}, {{.Path.To.Field}}, {{json .Field}}, {{json
/// .}}, and text; or "json", the whole value.
/// @throws InputError when a field is not there; NotImplemented for other template actions
std::string render_template(std::string_view text, const nlohmann::json& value);

}  // namespace drydock::cli
