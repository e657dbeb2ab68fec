#include "07-compose/api/call.hpp"

#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/strict_json.hpp"
#include "07-compose/engine/filters.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxBody = std::size_t{4} << 20U;

std::string dump(const json& body) {
    return body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

// Exactly this and nothing behind it: the docker CLI compares the whole header.
const HttpHeaders kJson = {{"Content-Type", "application/json"}};

}  // namespace

std::string Call::parameter(std::string_view key) const {
    return http.request().parameter(key).value_or("");
}

std::vector<std::string> Call::parameters(std::string_view key) const {
    std::vector<std::string> values;
    const auto [first, last] = http.request().query.equal_range(key);
    for (auto one = first; one != last; ++one) {
        values.push_back(one->second);
    }
    return values;
}

bool Call::flag(std::string_view key, bool absent) const {
    const auto value = http.request().parameter(key);
    return value ? is_true(*value) : absent;
}

std::optional<long> Call::number(std::string_view key) const {
    const std::string text = parameter(key);
    if (text.empty()) {
        return std::nullopt;
    }
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        throw InputError(fmt::format("invalid {}: \"{}\": expected a whole number", key, text));
    }
    return value;
}

json json_body(Call& call) {
    const std::string body = call.http.read_body(kMaxBody);
    if (body.find_first_not_of(" \t\r\n") == std::string::npos) {
        return json::object();
    }
    const std::string_view type = call.http.request().header("Content-Type");
    if (!same_letters(type.substr(0, type.find(';')), "application/json")) {
        throw InputError(fmt::format(
            R"(unsupported Content-Type header ({}): must be "application/json")", type));
    }
    json parsed = parse_strict_json(body, "request body");
    if (parsed.is_null()) {
        return json::object();
    }
    if (!parsed.is_object()) {
        throw InputError("request body: expected a JSON object");
    }
    return parsed;
}

void respond_json(Call& call, int status, const json& body) {
    call.http.respond(status, kJson, dump(body));
}

void respond_empty(Call& call, int status) {
    call.http.respond(status, {}, "");
}

void respond_error(HttpExchange& http, int status, std::string_view message) {
    http.respond(status, kJson, dump({{"message", message}}));
}

}  // namespace drydock::api
