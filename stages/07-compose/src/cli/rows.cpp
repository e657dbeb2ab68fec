#include "07-compose/cli/rows.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/printable.hpp"
#include "07-compose/cli/format.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

std::string dump(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

const json& field_of(const json& value, std::string_view path) {
    const json* at = &value;
    std::string_view rest = path.substr(1);
    while (!rest.empty()) {
        const std::string name(rest.substr(0, rest.find('.')));
        rest.remove_prefix(std::min(rest.size(), name.size() + 1));
        const auto found = at->is_object() ? at->find(name) : at->end();
        if (found == at->end()) {
            throw InputError(fmt::format(
                "--format: there is no field \"{}\" ('{{{{json .}}}}' shows all)", path));
        }
        at = &*found;
    }
    return *at;
}

/// What {{ACTION}} stands for.
std::string action_value(std::string_view action, const json& value) {
    const auto trimmed = [](std::string_view text) {
        const auto begin = text.find_first_not_of(' ');
        return begin == std::string_view::npos
                   ? std::string_view()
                   : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
    };
    action = trimmed(action);
    const bool as_json = action.starts_with("json ");
    const std::string_view path = as_json ? trimmed(action.substr(5)) : action;
    if (!path.starts_with('.') || path.find_first_of(" |(") != std::string_view::npos) {
        throw NotImplemented(fmt::format(
            "\"{{{{{}}}}}\" in --format ({{{{.Field}}}} and {{{{json .Field}}}} are)", action));
    }
    const json& found = field_of(value, path);
    return found.is_string() && !as_json ? found.get<std::string>() : dump(found);
}

std::string unescaped(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape =
            text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 't' || text[i + 1] == 'n');
        result += !escape ? text[i] : text[++i] == 't' ? '\t' : '\n';
    }
    return result;
}

}  // namespace

std::string render_template(std::string_view text, const json& value) {
    if (text == "json") {
        return dump(value);
    }
    std::string result;
    while (!text.empty()) {
        const auto open = std::min(text.find("{{"), text.size());
        result += unescaped(text.substr(0, open));
        text.remove_prefix(open);
        if (text.empty()) {
            break;
        }
        const auto close = text.find("}}");
        if (close == std::string_view::npos) {
            throw InputError("--format: \"{{\" without \"}}\"");
        }
        result += action_value(text.substr(2, close - 2), value);
        text.remove_prefix(close + 2);
    }
    return result;
}

std::string list_text(const Listing& listing, const std::vector<json>& rows) {
    std::string text;
    if (listing.quiet || (!listing.format.empty() && listing.format != "table")) {
        for (const json& row : rows) {
            const std::string line = listing.quiet ? row.at("ID").get<std::string>()
                                                   : render_template(listing.format, row);
            text += line + "\n";
        }
        return text;
    }
    std::vector<std::string> header;
    for (const auto& [heading, name] : listing.columns) {
        header.push_back(heading);
    }
    Table table(header);
    for (const json& row : rows) {
        std::vector<std::string> cells;
        for (const auto& [heading, name] : listing.columns) {
            cells.push_back(printable(row.at(name).get<std::string>()));
        }
        table.add(std::move(cells));
    }
    return table.text();
}

}  // namespace drydock::cli
