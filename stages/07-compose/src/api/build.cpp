#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/builder.hpp"
#include "06-registry/fetch_url.hpp"
#include "07-compose/api/routes.hpp"

#include "api/body_file.hpp"
#include "api/progress_stream.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

/// The query parameter `key` as a JSON object of strings and nulls.
std::map<std::string, std::optional<std::string>> object_parameter(Call& call, const char* key) {
    std::map<std::string, std::optional<std::string>> result;
    const std::string text = call.parameter(key);
    if (text.empty()) {
        return result;
    }
    const json parsed = json::parse(text, nullptr, false);
    if (!parsed.is_object()) {
        throw InputError(fmt::format("{}: expected a JSON object, got {}", key, text));
    }
    for (const auto& [name, value] : parsed.items()) {
        if (!value.is_null() && !value.is_string()) {
            throw InputError(fmt::format("{}: at /{}: expected a string", key, name));
        }
        result[name] = value.is_null() ? std::nullopt : std::optional(value.get<std::string>());
    }
    return result;
}

BuildRequest build_request(Call& call) {
    if (call.parameter("version") == "2") {
        throw InputError("BuildKit is not supported: set DOCKER_BUILDKIT=0");
    }
    if (!call.parameter("remote").empty() && call.parameter("remote") != "client-session") {
        throw NotImplemented("building from a remote context");
    }
    BuildRequest request{
        .tags = call.parameters("t"),
        .build_args = object_parameter(call, "buildargs"),
        .target = call.parameter("target"),
        .no_cache = call.flag("nocache"),
        .network = call.parameter("networkmode") == "default" ? "" : call.parameter("networkmode"),
        .runtime_root = call.engine.runtime_root()};
    if (const std::string dockerfile = call.parameter("dockerfile"); !dockerfile.empty()) {
        request.dockerfile = dockerfile;
    }
    for (auto& [name, value] : object_parameter(call, "labels")) {
        request.labels[name] = value.value_or("");
    }
    return request;
}

void build(Call& call) {
    BuildRequest request = build_request(call);
    const UniqueFd context = body_in_file(call);
    request.context_tar = context.get();
    request.cancelled = [&] { return call.http.client_gone(); };
    request.fetch_url = [&](const std::string& url, int fd) {
        return fetch_url(url, fd, {.tick = [&] {
                             if (call.http.client_gone()) {
                                 throw InputError("the client has gone");
                             }
                         }});
    };
    const bool quiet = call.flag("q");
    const auto job =
        call.engine.jobs().begin("build", fmt::format("{}", fmt::join(request.tags, ", ")));
    ProgressStream stream(call);
    stream.run([&] {
        const Image image =
            build_image(call.engine.images(), request, [&](const BuildEvent& event) {
                if (event.kind == BuildEvent::Kind::Image) {
                    stream.send({{"aux", {{"ID", event.text}}}});
                } else {
                    job->progress(event.text);
                    if (!quiet) {
                        stream.send({{"stream", event.text}});
                    }
                }
            });
        if (quiet) {
            stream.send({{"stream", image.id.text() + "\n"}});
        }
        job->done();
    });
}

constexpr std::array kBuildRoutes = std::to_array<Route>({
    {"POST", "/build", build},
});

}  // namespace

std::span<const Route> build_routes() {
    return kBuildRoutes;
}

}  // namespace drydock::api
