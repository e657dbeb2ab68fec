#include "07-compose/api/router.hpp"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "06-registry/progress.hpp"
#include "07-compose/engine/engine_error.hpp"

namespace drydock::api {
namespace {

int status_of(Refusal refusal) {
    switch (refusal) {
        case Refusal::NotFound:
            return 404;
        case Refusal::Conflict:
            return 409;
        case Refusal::NotModified:
            return 304;
        case Refusal::BadRequest:
            return 400;
        case Refusal::Forbidden:
            return 403;
        case Refusal::Unavailable:
            break;
    }
    return 503;
}

/// Takes "N.M" from "N.M/…"; nothing for what is no version.
std::optional<std::pair<int, int>> parse_version(std::string_view text) {
    std::pair<int, int> version;
    const char* const end = text.data() + text.size();
    const auto major = std::from_chars(text.data(), end, version.first);
    if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') {
        return std::nullopt;
    }
    const auto minor = std::from_chars(major.ptr + 1, end, version.second);
    return minor.ec == std::errc{} && minor.ptr == end ? std::optional(version) : std::nullopt;
}

/// The status and text for the exception being handled.
std::pair<int, std::string> answer_for_current_exception() {
    try {
        throw;
    } catch (const EngineError& e) {
        return {status_of(e.refusal()), e.what()};
    } catch (const InputError& e) {
        return {400, e.what()};
    } catch (const NotImplemented& e) {
        return {501, e.what()};
    } catch (const SetupError& e) {
        return {e.exit_status() == kSetupFailed ? 500 : 400, e.what()};
    } catch (const HttpError& e) {
        return {e.status(), e.what()};
    } catch (const RegistryError& e) {
        return {e.status() == 404 || e.status() == 401 ? 404 : 500, e.what()};
    } catch (const std::exception& e) {
        return {500, e.what()};
    }
}

bool dispatch(HttpExchange& http, Engine& engine, std::span<const std::span<const Route>> groups) {
    const VersionedPath where = split_version(http.request().path);
    for (const auto group : groups) {
        for (const Route& route : group) {
            if (route.method != "*" && route.method != http.request().method) {
                continue;
            }
            if (auto names = match(route.pattern, where.path)) {
                Call call{.http = http,
                          .engine = engine,
                          .version = where.version,
                          .what = route.what,
                          .names = std::move(*names)};
                route.handler(call);
                return true;
            }
        }
    }
    return false;
}

}  // namespace

std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
    const auto open = pattern.find('{');
    if (open == std::string_view::npos) {
        return pattern == path ? std::optional(std::vector<std::string>{}) : std::nullopt;
    }
    if (!path.starts_with(pattern.substr(0, open))) {
        return std::nullopt;
    }
    const bool many = pattern.substr(open).starts_with("{*}");
    const std::string_view rest_of_pattern = pattern.substr(open + (many ? 3 : 2));
    const std::string_view rest = path.substr(open);
    // The longest first: of /images/a/json/json the name is a/json.
    for (std::size_t length = rest.size(); length > 0; --length) {
        const std::string_view name = rest.substr(0, length);
        if (!many && name.find('/') != std::string_view::npos) {
            continue;
        }
        if (auto names = match(rest_of_pattern, rest.substr(length))) {
            names->insert(names->begin(), std::string(name));
            return names;
        }
    }
    return std::nullopt;
}

VersionedPath split_version(std::string_view path) {
    const auto slash = path.find('/', 1);
    const auto version = path.starts_with("/v") && slash != std::string_view::npos
                             ? parse_version(path.substr(2, slash - 2))
                             : std::nullopt;
    if (!version) {
        return {.path = std::string(path)};
    }
    const auto [major, minor] = *version;
    if (major > 1 || (major == 1 && minor > kNewestVersion)) {
        throw InputError(
            fmt::format("client version {}.{} is too new. Maximum supported API version is 1.{}",
                        major, minor, kNewestVersion));
    }
    if (major < 1 || minor < kOldestVersion) {
        throw InputError(fmt::format(
            "client version {}.{} is too old. Minimum supported API version is 1.{}, please "
            "upgrade your client to a newer version",
            major, minor, kOldestVersion));
    }
    return {.version = minor, .path = std::string(path.substr(slash))};
}

void serve(HttpExchange& http, Engine& engine, std::span<const std::span<const Route>> groups) {
    try {
        if (!dispatch(http, engine, groups)) {
            respond_error(http, 404, "page not found");
        }
    } catch (const ClientGone&) {
        throw;
    } catch (...) {
        if (http.answered()) {
            throw;  // half an answer is out: the server cuts the connection
        }
        const auto [status, text] = answer_for_current_exception();
        if (status == 304) {
            http.respond(status, {}, "");
        } else {
            respond_error(http, status, text);
        }
    }
}

}  // namespace drydock::api
