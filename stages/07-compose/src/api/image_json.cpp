#include "api/image_json.hpp"

#include <chrono>
#include <iterator>
#include <set>

#include <nlohmann/json.hpp>

#include "05-images/image_config.hpp"
#include "05-images/manifest.hpp"
#include "05-images/reference.hpp"
#include "07-compose/engine/time_text.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

std::int64_t unix_seconds(const std::string& rfc3339) {
    const auto time = parse_time(rfc3339);
    return time ? std::chrono::floor<std::chrono::seconds>(*time).time_since_epoch().count() : 0;
}

json tags_json(const Image& image) {
    json tags = json::array();
    for (const Reference& reference : image.references) {
        if (!reference.tag.empty()) {
            tags.push_back(familiar(reference));
        }
    }
    return tags;
}

json digests_json(const Image& image) {
    std::set<std::string> digests;
    for (const Reference& reference : image.references) {
        digests.insert(familiar_repository(reference) + "@" + image.manifest.digest.text());
    }
    return digests;
}

json set_json(const std::set<std::string>& keys) {
    json object = json::object();
    for (const std::string& key : keys) {
        object[key] = json::object();
    }
    return keys.empty() ? json(nullptr) : object;
}

json execution_json(const oci::ExecutionConfig& config) {
    json object = {{"Hostname", ""},
                   {"Domainname", ""},
                   {"User", config.user},
                   {"AttachStdin", false},
                   {"AttachStdout", false},
                   {"AttachStderr", false},
                   {"Tty", false},
                   {"OpenStdin", false},
                   {"StdinOnce", false},
                   {"Env", config.env},
                   {"Cmd", config.cmd ? json(*config.cmd) : json(nullptr)},
                   {"Image", ""},
                   {"Volumes", set_json(config.volumes)},
                   {"WorkingDir", config.working_dir},
                   {"Entrypoint", config.entrypoint ? json(*config.entrypoint) : json(nullptr)},
                   {"OnBuild", config.on_build.empty() ? json(nullptr) : json(config.on_build)},
                   {"Labels", config.labels.empty() ? json(nullptr) : json(config.labels)}};
    if (!config.exposed_ports.empty()) {
        object["ExposedPorts"] = set_json(config.exposed_ports);
    }
    if (!config.stop_signal.empty()) {
        object["StopSignal"] = config.stop_signal;
    }
    if (!config.shell.empty()) {
        object["Shell"] = config.shell;
    }
    return object;
}

}  // namespace

json inspect_json(const Image& image, const ImageStore& store) {
    const oci::ImageConfig config = store.config(image);
    json layers = json::array();
    for (const Digest& diff_id : config.diff_ids) {
        layers.push_back(diff_id.text());
    }
    const json settings = execution_json(config.config);
    const bool has_comment = !config.history.empty();
    return {{"Id", image.id.text()},
            {"RepoTags", tags_json(image)},
            {"RepoDigests", digests_json(image)},
            {"Parent", ""},
            {"Comment", has_comment ? config.history.back().comment : ""},
            {"Created", config.created},
            {"Container", ""},
            {"ContainerConfig", settings},
            {"DockerVersion", ""},
            {"Author", config.author},
            {"Config", settings},
            {"Architecture", config.platform.architecture},
            {"Variant", config.platform.variant},
            {"Os", config.platform.os},
            {"Size", image.size},
            {"VirtualSize", image.size},
            {"GraphDriver", {{"Name", "overlay2"}, {"Data", nullptr}}},
            {"RootFS", {{"Type", "layers"}, {"Layers", layers}}},
            {"Metadata", {{"LastTagTime", "0001-01-01T00:00:00Z"}}}};
}

json list_json(const Image& image, const ImageStore& store, int version) {
    const oci::ImageConfig config = store.config(image);
    json tags = tags_json(image);
    json digests = digests_json(image);
    if (tags.empty() && version < 43) {
        tags = {"<none>:<none>"};
        digests = digests.empty() ? json({"<none>@<none>"}) : digests;
    }
    return {{"Id", image.id.text()},
            {"ParentId", ""},
            {"RepoTags", tags},
            {"RepoDigests", digests},
            {"Created", unix_seconds(config.created)},
            {"Size", image.size},
            {"VirtualSize", image.size},
            {"SharedSize", -1},
            {"Containers", -1},
            {"Labels", config.config.labels}};
}

json history_json(const Image& image, const ImageStore& store) {
    const oci::ImageConfig config = store.config(image);
    const oci::Manifest manifest = store.manifest(image);
    json entries = json::array();
    std::size_t layer = 0;
    for (const oci::History& one : config.history) {
        const bool has_layer = !one.empty_layer && layer < manifest.layers.size();
        entries.push_back({{"Id", "<missing>"},
                           {"Created", unix_seconds(one.created)},
                           {"CreatedBy", one.created_by},
                           {"Tags", nullptr},
                           {"Size", has_layer ? manifest.layers.at(layer).size : 0},
                           {"Comment", one.comment}});
        layer += has_layer ? 1 : 0;
    }
    if (!entries.empty()) {
        entries.back()["Id"] = image.id.text();
        entries.back()["Tags"] = tags_json(image);
    }
    json newest_first = json::array();
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        newest_first.push_back(*entry);
    }
    return newest_first;
}

}  // namespace drydock::api
