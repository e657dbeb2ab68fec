#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/builder.hpp"
#include "06-registry/base64.hpp"
#include "06-registry/fetch_url.hpp"
#include "06-registry/pull.hpp"
#include "07-compose/api/routes.hpp"

#include "api/body_file.hpp"
#include "api/platform.hpp"
#include "api/progress_stream.hpp"
#include "api/registry_auth.hpp"

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
    if (const std::string text = call.parameter("platform"); !text.empty()) {
        if (const oci::Platform wanted = parse_platform(text); !fits(host_platform(), wanted)) {
            throw NotImplemented(fmt::format("building for {} on {}", platform_text(wanted),
                                             platform_text(host_platform())));
        }
    }
    BuildRequest request{
        .tags = call.parameters("t"),
        .build_args = object_parameter(call, "buildargs"),
        .target = call.parameter("target"),
        .no_cache = call.flag("nocache"),
        .pull = call.flag("pull"),
        .explain_cache = call.parameter("explain") == "cache",
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

/// {"secrets": {ID: base64 of the secret, …}}
std::map<std::string, std::string> read_secrets(const std::string& line) {
    // An error says nothing of what is there: it may be a secret.
    const InputError refusal(
        "first line of the request body: expected {\"secrets\": {\"ID\": \"BASE64\"}}");
    const json parsed = json::parse(line, nullptr, false);
    if (!parsed.is_object()) {
        throw refusal;
    }
    const json given = parsed.value("secrets", json::object());
    std::map<std::string, std::string> secrets;
    for (const auto& [id, value] : given.items()) {
        auto secret = value.is_string() ? from_base64(value.get<std::string>()) : std::nullopt;
        if (!secret) {
            throw refusal;
        }
        secrets[id] = *std::move(secret);
    }
    return secrets;
}

/// What FROM names and the store does not have is pulled, as `docker build` does.
std::function<Image(const Reference&)> fetcher(Call& call, ProgressStream& stream) {
    return [&](const Reference& reference) {
        const Credentials credentials =
            read_registry_config(call.http.request().header("X-Registry-Config"), reference.domain);
        pull(call.engine.images(), reference, credentials, [&](const Progress& progress) {
            if (progress.total == 0) {  // a build's lines are read one after the other
                stream.send(
                    {{"stream", fmt::format("{}{}{}\n", progress.id,
                                            progress.id.empty() ? "" : ": ", progress.status)}});
            }
        });
        return call.engine.images().get(familiar(reference));
    };
}

void build_with(Call& call, BuildRequest request) {
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
    request.fetch_image = fetcher(call, stream);
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

void build(Call& call) {
    BuildRequest request = build_request(call);
    const UniqueFd context = body_in_file(call);
    request.context_tar = context.get();
    build_with(call, std::move(request));
}

/// Drydock's own: the same parameters, and explain=cache, and check=1, which only looks at the
/// Dockerfile. The body is a line of JSON, and then the context. A secret is in that line because a
/// parameter would be in logs, and a file on the disk; it lives as long as the request.
void drydock_build(Call& call) {
    constexpr std::size_t kMaxLine = std::size_t{4} << 20U;
    BuildRequest request = build_request(call);
    const auto [line, begun] = first_line_of_body(call, kMaxLine);
    request.secrets = read_secrets(line);
    const UniqueFd context = body_in_file(call, begun);
    request.context_tar = context.get();
    if (!call.flag("check")) {
        build_with(call, std::move(request));
        return;
    }
    const DockerfileCheck check = check_build(call.engine.images(), request);
    json warnings = json::array();
    for (const DockerfileWarning& warning : check.warnings) {
        warnings.push_back(
            {{"Rule", warning.rule}, {"Line", warning.line}, {"Text", warning.text}});
    }
    respond_json(call, 200,
                 {{"Warnings", warnings},
                  {"Error", check.error},
                  {"Text", check_text(check, request.dockerfile)}});
}

constexpr std::array kBuildRoutes = std::to_array<Route>({
    {"POST", "/build", build},
    {"POST", "/drydock/build", drydock_build},
});

}  // namespace

std::span<const Route> build_routes() {
    return kBuildRoutes;
}

}  // namespace drydock::api
