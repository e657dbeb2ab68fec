// cp, diff, export, commit: what is taken out of a container and put into it.
#include "07-compose/engine/archive.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/user.hpp"
#include "07-compose/api/routes.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "api/base64.hpp"
#include "api/body_file.hpp"
#include "api/create_body.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

std::string archive_path(const Call& call) {
    std::string path = call.parameter("path");
    if (path.empty()) {
        throw InputError("missing parameter: path");
    }
    return path;
}

/// Does `act`; a path that is not there becomes docker's 404, one that is no directory its 400.
template <class Act>
void with_paths(Call& call, const std::string& path, Act act) {
    try {
        act();
    } catch (const std::system_error& e) {
        if (e.code() == std::errc::no_such_file_or_directory) {
            throw EngineError(
                Refusal::NotFound,
                fmt::format("Could not find the file {} in container {}", path, call.name()));
        }
        if (e.code() == std::errc::not_a_directory) {
            throw InputError("extraction point is not a directory");
        }
        if (e.code() == std::errc::read_only_file_system) {
            throw InputError("container rootfs is marked read-only");
        }
        throw;
    }
}

HttpHeaders stat_headers(const PathStat& stat) {
    const json object = {{"name", stat.name},
                         {"size", stat.size},
                         {"mode", go_file_mode(stat.mode)},
                         {"mtime", to_text(stat.modified)},
                         {"linkTarget", stat.link_target}};
    return {{"X-Docker-Container-Path-Stat", base64(object.dump())}};
}

void stat_archive(Call& call) {
    const std::string path = archive_path(call);
    with_paths(call, path, [&] {
        call.engine.with_root(call.name(), [&](int root) {
            call.http.respond(200, stat_headers(stat_in_root(root, path)), "");
        });
    });
}

ArchiveSink sink_of(HttpStream& stream) {
    return [&stream](std::span<const std::byte> bytes) {
        stream.write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    };
}

void get_archive(Call& call) {
    const std::string path = archive_path(call);
    with_paths(call, path, [&] {
        call.engine.with_root(call.name(), [&](int root) {
            HttpHeaders headers = stat_headers(stat_in_root(root, path));
            headers.push_back({"Content-Type", "application/x-tar"});
            HttpStream stream = call.http.begin_stream(200, headers);
            pack_path(root, path, sink_of(stream));
            stream.finish();
        });
    });
    call.engine.tell_of(call.name(), "archive-path");
}

void put_archive(Call& call) {
    const std::string path = archive_path(call);
    const Container container = call.engine.find(call.name());
    const UniqueFd archive = body_in_file(call);
    if (container.config.read_only) {
        throw InputError("container rootfs is marked read-only");
    }
    with_paths(call, path, [&] {
        call.engine.with_root(container.id, [&](int root) {
            UnpackOptions options{.keep_kinds = call.flag("noOverwriteDirNonDir")};
            // docker's rule: without a user of the container's they stay those of the archive.
            if (call.flag("copyUIDGID") && !container.config.user.empty()) {
                const User user = find_user(root, container.config.user);
                options.owner = {user.uid, user.gid};
            }
            unpack_in_root(root, path, archive.get(), options);
        });
    });
    call.engine.tell_of(container.id, "extract-to-dir");
    respond_empty(call, 200);
}

void export_container(Call& call) {
    call.engine.with_root(call.name(), [&](int root) {
        HttpStream stream =
            call.http.begin_stream(200, {{"Content-Type", "application/octet-stream"}});
        pack_root(root, sink_of(stream));
        stream.finish();
    });
    call.engine.tell_of(call.name(), "export");
}

void changes(Call& call) {
    json list;
    for (const Change& change : call.engine.changes(call.name())) {
        list.push_back({{"Path", change.path}, {"Kind", static_cast<int>(change.kind)}});
    }
    respond_json(call, 200, list);
}

/// A word in the double quotes of a Dockerfile, where it means itself.
std::string quoted_word(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
        result += (c == '"' || c == '\\' || c == '$') ? std::string("\\") + c : std::string(1, c);
    }
    return result + "\"";
}

/// A Config as the lines of a Dockerfile that say the same.
std::vector<std::string> changes_of(const ContainerConfig& config) {
    std::vector<std::string> lines;
    const auto add = [&](const char* instruction, const std::string& value) {
        if (!value.empty()) {
            lines.push_back(fmt::format("{} {}", instruction, value));
        }
    };
    add("USER", config.user);
    add("WORKDIR", config.working_dir);
    add("STOPSIGNAL", config.stop_signal);
    for (const std::string& variable : config.env) {
        const auto equals = std::min(variable.find('='), variable.size());
        add("ENV", variable.substr(0, equals) + "=" +
                       quoted_word(variable.substr(std::min(equals + 1, variable.size()))));
    }
    for (const auto& [key, value] : config.labels) {
        add("LABEL", quoted_word(key) + "=" + quoted_word(value));
    }
    for (const std::string& port : config.exposed_ports) {
        add("EXPOSE", port);
    }
    if (config.entrypoint) {
        add("ENTRYPOINT", json(*config.entrypoint).dump());
    }
    if (config.cmd) {
        add("CMD", json(*config.cmd).dump());
    }
    return lines;
}

void commit(Call& call) {
    // docker-py sends a Config, which may be empty; what it says wins over the container's own.
    json body = json_body(call);
    body = body.is_object() ? body : json::object();
    body["Image"] = call.parameter("container");
    body.erase("HostConfig");
    body.erase("NetworkingConfig");
    CommitRequest request{.name = call.parameter("repo"),
                          .author = call.parameter("author"),
                          .comment = call.parameter("comment"),
                          .changes = changes_of(read_create_body(body)),
                          .pause = call.flag("pause", true)};
    std::ranges::copy(call.parameters("changes"), std::back_inserter(request.changes));
    if (const std::string tag = call.parameter("tag"); !tag.empty() && !request.name.empty()) {
        request.name += ":" + tag;
    }
    respond_json(call, 201, {{"Id", call.engine.commit(call.parameter("container"), request)}});
}

constexpr std::array kArchiveRoutes = std::to_array<Route>({
    {"HEAD", "/containers/{}/archive", stat_archive},
    {"GET", "/containers/{}/archive", get_archive},
    {"PUT", "/containers/{}/archive", put_archive},
    {"GET", "/containers/{}/export", export_container},
    {"GET", "/containers/{}/changes", changes},
    {"POST", "/commit", commit},
});

}  // namespace

std::span<const Route> archive_routes() {
    return kArchiveRoutes;
}

}  // namespace drydock::api
