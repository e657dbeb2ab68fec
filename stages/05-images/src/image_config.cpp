#include "05-images/image_config.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/strict_json.hpp"

namespace drydock {
namespace {

using nlohmann::json;

std::set<std::string> key_set(const JsonPlace& object, std::string_view key) {
    const std::vector<std::string> keys = object.keys(key);
    return {keys.begin(), keys.end()};
}

std::optional<std::vector<std::string>> optional_strings(const JsonPlace& object,
                                                         std::string_view key) {
    if (!object.has(key)) {
        return std::nullopt;
    }
    return object.strings(key);
}

oci::Healthcheck read_healthcheck(const JsonPlace& place) {
    return {.test = place.strings("Test"),
            .interval = place.number("Interval"),
            .timeout = place.number("Timeout"),
            .start_period = place.number("StartPeriod"),
            .start_interval = place.number("StartInterval"),
            .retries = static_cast<int>(place.number("Retries"))};
}

oci::ExecutionConfig read_execution(const JsonPlace& place) {
    oci::ExecutionConfig result;
    result.user = place.string("User");
    result.exposed_ports = key_set(place, "ExposedPorts");
    result.env = place.strings("Env");
    result.entrypoint = optional_strings(place, "Entrypoint");
    result.cmd = optional_strings(place, "Cmd");
    result.volumes = key_set(place, "Volumes");
    result.working_dir = place.string("WorkingDir");
    result.labels = place.string_map("Labels");
    result.stop_signal = place.string("StopSignal");
    result.shell = place.strings("Shell");
    result.on_build = place.strings("OnBuild");
    if (place.has("Healthcheck")) {
        result.healthcheck = read_healthcheck(place.at("Healthcheck"));
    }
    return result;
}

std::vector<Digest> read_diff_ids(const JsonPlace& document) {
    std::vector<Digest> result;
    for (const JsonPlace& place : document.at("rootfs").elements("diff_ids")) {
        result.push_back(place.digest());
    }
    return result;
}

void put(json& object, const char* key, const std::string& value) {
    if (!value.empty()) {
        object[key] = value;
    }
}

json set_object(const std::set<std::string>& keys) {
    json result = json::object();
    for (const std::string& key : keys) {
        result[key] = json::object();
    }
    return result;
}

json to_json(const oci::Healthcheck& check) {
    json result = {{"Test", check.test}};
    const auto put_number = [&](const char* key, std::int64_t value) {
        if (value != 0) {
            result[key] = value;
        }
    };
    put_number("Interval", check.interval);
    put_number("Timeout", check.timeout);
    put_number("StartPeriod", check.start_period);
    put_number("StartInterval", check.start_interval);
    put_number("Retries", check.retries);
    return result;
}

json to_json(const oci::ExecutionConfig& config) {
    json result = json::object();
    put(result, "User", config.user);
    put(result, "WorkingDir", config.working_dir);
    put(result, "StopSignal", config.stop_signal);
    const auto put_list = [&](const char* key, const std::vector<std::string>& list) {
        if (!list.empty()) {
            result[key] = list;
        }
    };
    put_list("Env", config.env);
    put_list("Shell", config.shell);
    put_list("OnBuild", config.on_build);
    if (config.entrypoint) {
        result["Entrypoint"] = *config.entrypoint;
    }
    if (config.cmd) {
        result["Cmd"] = *config.cmd;
    }
    if (!config.exposed_ports.empty()) {
        result["ExposedPorts"] = set_object(config.exposed_ports);
    }
    if (!config.volumes.empty()) {
        result["Volumes"] = set_object(config.volumes);
    }
    if (!config.labels.empty()) {
        result["Labels"] = config.labels;
    }
    if (config.healthcheck) {
        result["Healthcheck"] = to_json(*config.healthcheck);
    }
    return result;
}

json to_json(const oci::History& entry) {
    json result = json::object();
    put(result, "created", entry.created);
    put(result, "created_by", entry.created_by);
    put(result, "author", entry.author);
    put(result, "comment", entry.comment);
    if (entry.empty_layer) {
        result["empty_layer"] = true;
    }
    return result;
}

}  // namespace

oci::ImageConfig parse_image_config(std::string_view text, std::string_view name) {
    if (text.size() > kMaxConfigSize) {
        throw InputError(fmt::format("{}: larger than {} bytes", name, kMaxConfigSize));
    }
    const json parsed = parse_strict_json(text, name);
    const JsonPlace document(parsed, name);
    oci::ImageConfig result;
    result.created = document.string("created");
    result.author = document.string("author");
    result.platform = {.os = document.at("os").string(),
                       .architecture = document.at("architecture").string(),
                       .variant = document.string("variant")};
    if (document.has("config")) {
        result.config = read_execution(document.at("config"));
    }
    result.diff_ids = read_diff_ids(document);
    for (const JsonPlace& place : document.elements("history")) {
        result.history.push_back({.created = place.string("created"),
                                  .created_by = place.string("created_by"),
                                  .author = place.string("author"),
                                  .comment = place.string("comment"),
                                  .empty_layer = place.boolean("empty_layer")});
    }
    return result;
}

std::string to_text(const oci::ImageConfig& config) {
    json diff_ids = json::array();
    for (const Digest& diff_id : config.diff_ids) {
        diff_ids.push_back(diff_id.text());
    }
    json result = {{"os", config.platform.os},
                   {"architecture", config.platform.architecture},
                   {"config", to_json(config.config)},
                   {"rootfs", {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}}};
    put(result, "variant", config.platform.variant);
    put(result, "created", config.created);
    put(result, "author", config.author);
    if (!config.history.empty()) {
        result["history"] = json::array();
        for (const oci::History& entry : config.history) {
            result["history"].push_back(to_json(entry));
        }
    }
    return result.dump();
}

}  // namespace drydock
