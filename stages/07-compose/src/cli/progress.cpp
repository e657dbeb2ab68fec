#include "07-compose/cli/progress.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/file.hpp"
#include "06-registry/stored_credentials.hpp"
#include "07-compose/cli/format.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

[[noreturn]] void throw_failed(const json& message) {
    const json detail = message.value("errorDetail", json::object());
    const std::string text =
        message.value("error", detail.value("message", "the daemon gave no reason"));
    throw EngineError(detail.value("code", 0), text);
}

std::string text_or_empty(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

Progress::Progress(int fd, bool quiet)
    : fd_(fd), quiet_(quiet), display_(fd, terminal_columns(fd)) {}

void Progress::show(const json& message) {
    if (message.contains("error") || message.contains("errorDetail")) {
        throw_failed(message);
    }
    const std::string stream = text_or_empty(message, "stream");
    const std::string status = text_or_empty(message, "status");
    if (quiet_ || (stream.empty() && status.empty())) {
        return;
    }
    if (!stream.empty()) {
        write_all(fd_, stream, "standard output");
        return;
    }
    const json detail = message.value("progressDetail", json::object());
    display_.show({.id = printable(text_or_empty(message, "id")),
                   .status = printable(status),
                   .current = detail.value("current", std::uint64_t{0}),
                   .total = detail.value("total", std::uint64_t{0})});
}

json show_progress(Exchange& exchange, int fd, bool quiet) {
    Progress progress(fd, quiet);
    json aux = json::object();
    for_each_object(exchange, [&](const json& message) {
        if (const auto found = message.find("aux"); found != message.end() && found->is_object()) {
            aux.update(*found);
        }
        progress.show(message);
    });
    return aux;
}

std::string stored_auth_for(const std::string& image) {
    const std::string domain = registry_of_image(image);
    return registry_auth_header(stored_credentials(domain), domain);
}

void pull_image(const Engine& engine, const std::string& reference, int fd, bool quiet,
                const std::string& platform) {
    // A colon behind the last slash begins the tag; one before it is a port's.
    const auto slash = reference.rfind('/');
    const auto colon = reference.find(':', slash == std::string::npos ? 0 : slash);
    const auto digest = reference.find('@');
    Query query;
    if (digest != std::string::npos) {
        query = {{"fromImage", reference.substr(0, std::min(colon, digest))},
                 {"tag", reference.substr(digest + 1)}};
    } else if (colon != std::string::npos) {
        query = {{"fromImage", reference.substr(0, colon)}, {"tag", reference.substr(colon + 1)}};
    } else {
        query = {{"fromImage", reference}, {"tag", "latest"}};
    }
    if (!platform.empty()) {
        query.emplace_back("platform", platform);
    }
    Exchange answer =
        engine.stream("POST", "/images/create", query, {}, stored_auth_for(reference));
    show_progress(answer, fd, quiet);
}

}  // namespace drydock::cli
