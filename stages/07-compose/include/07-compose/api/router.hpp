#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "07-compose/api/call.hpp"

namespace drydock::api {

/// One line of the API.
struct Route {
    std::string_view method{};  ///< "GET"; "*" for any
    std::string_view
        pattern{};  ///< "/containers/{}/json": {} is one part of the path, {*} one or more of them
    void (*handler)(Call&) = nullptr;
    std::string_view what{};  ///< handed to the handler as Call::what
};

/// What `pattern` leaves open of `path`, one entry for each {} and {*}; nothing when they do not
/// match.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path);

/// The N of a path that begins with /v1.N/, and the path behind that.
struct VersionedPath {
    int version = kNewestVersion;
    std::string path{};
};
/// @throws InputError in docker's words for a version that is too new or too old
VersionedPath split_version(std::string_view path);

/// Finds the route and calls its handler; every exception becomes an answer with docker's status
/// and message.
void serve(HttpExchange& http, Engine& engine, std::span<const std::span<const Route>> groups);

}  // namespace drydock::api
