#pragma once

// Members of request bodies, read with docker's leniency: what is missing or null is the default.

#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

namespace drydock::api {

/// What stands in `object` at the JSON pointer, as T; T{} when it is missing or null. `within` is
/// the place of `object` itself in the body.
/// @throws InputError with the place and what is expected there
template <class T>
T body_part(const nlohmann::json& object, const std::string& pointer, const char* expected,
            const char* within = "") {
    const nlohmann::json::json_pointer at(pointer);
    if (!object.is_object() || !object.contains(at) || object.at(at).is_null()) {
        return T{};
    }
    try {
        return object.at(at).get<T>();
    } catch (const nlohmann::json::exception&) {
        throw InputError(
            fmt::format("request body: at {}{}: expected {}", within, pointer, expected));
    }
}

/// The same for a member of `object` itself.
template <class T>
T body_member(const nlohmann::json& object, const std::string& key, const char* expected,
              const char* within = "") {
    return body_part<T>(object, "/" + key, expected, within);
}

}  // namespace drydock::api
