#include "api/mounts_body.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "api/body_member.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 6> kPropagations = {"private", "rprivate", "shared",
                                                           "rshared", "slave",    "rslave"};

bool is_propagation(std::string_view word) {
    return std::ranges::find(kPropagations, word) != kPropagations.end();
}

/// Absolute, without "." and "..", and not the root.
std::string normal_destination(const std::string& text, const std::string& whole) {
    if (!text.starts_with('/')) {
        throw InputError(
            fmt::format("invalid volume specification: '{}': invalid mount config for "
                        "type \"bind\": invalid mount path: '{}' mount path must be "
                        "absolute",
                        whole, text));
    }
    std::string path = std::filesystem::path(text).lexically_normal();
    while (path.size() > 1 && path.back() == '/') {
        path.pop_back();
    }
    if (path == "/") {
        throw InputError(fmt::format(
            "invalid volume specification: '{}': invalid specification: destination can't be '/'",
            whole));
    }
    return path;
}

void read_bind_mode(MountPoint& mount, const std::string& whole) {
    std::string_view rest = mount.mode;
    while (!rest.empty()) {
        const std::string_view word = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
        if (word == "ro") {
            mount.writable = false;
        } else if (word == "nocopy") {
            mount.copy_up = false;
        } else if (is_propagation(word) && mount.type == "bind") {
            mount.propagation = word;
        } else if (word != "rw" && word != "z" && word != "Z") {
            throw InputError(
                fmt::format("invalid volume specification: '{}': invalid mode: {}", whole, word));
        }
    }
}

/// "SOURCE:DESTINATION[:MODE]"; a source that is no path is a volume.
MountPoint read_bind(const std::string& text) {
    const auto first = text.find(':');
    const auto second = first == std::string::npos ? first : text.find(':', first + 1);
    MountPoint mount{.source = first == std::string::npos ? "" : text.substr(0, first)};
    const std::string destination =
        first == std::string::npos ? text : text.substr(first + 1, second - first - 1);
    if (second != std::string::npos) {
        mount.mode = text.substr(second + 1);
    }
    if (destination.empty() || (first != std::string::npos && mount.source.empty()) ||
        mount.mode.find(':') != std::string::npos) {
        throw InputError(fmt::format("invalid volume specification: '{}'", text));
    }
    mount.destination = normal_destination(destination, text);
    mount.type = mount.source.starts_with('/') ? "bind" : "volume";
    mount.make_source = mount.type == "bind";
    if (mount.type == "volume") {
        mount.name = std::exchange(mount.source, "");
        mount.anonymous = mount.name.empty();
    }
    read_bind_mode(mount, text);
    return mount;
}

[[noreturn]] void refuse_mount(const std::string& type, const std::string& why) {
    throw InputError(fmt::format("invalid mount config for type \"{}\": {}", type, why));
}

/// What is mounted below a read-only bind is read-only here, as docker has it since API 1.44.
void read_read_only_options(const MountPoint& mount, const json& options) {
    if (body_member<bool>(options, "ReadOnlyNonRecursive", "true or false")) {
        throw NotImplemented(
            "a read-only bind below which can be written (ReadOnlyNonRecursive, "
            "bind-recursive=writable)");
    }
    if (!body_member<bool>(options, "ReadOnlyForceRecursive", "true or false")) {
        return;
    }
    if (mount.writable) {
        refuse_mount(mount.type, "ReadOnlyForceRecursive needs ReadOnly");
    }
    if (!mount.recursive) {
        refuse_mount(mount.type, "ReadOnlyForceRecursive does not go with NonRecursive");
    }
}

void read_bind_options(MountPoint& mount, const json& object) {
    const json options = body_member<json>(object, "BindOptions", "an object");
    mount.propagation = body_member<std::string>(options, "Propagation", "a string");
    if (!mount.propagation.empty() && !is_propagation(mount.propagation)) {
        refuse_mount(mount.type, "invalid propagation mode: " + mount.propagation);
    }
    mount.recursive = !body_member<bool>(options, "NonRecursive", "true or false");
    read_read_only_options(mount, options);
    mount.make_source = body_member<bool>(options, "CreateMountpoint", "true or false");
    if (!mount.source.starts_with('/')) {
        refuse_mount(mount.type,
                     mount.source.empty()
                         ? "field Source must not be empty"
                         : fmt::format("invalid mount path: '{}' mount path must be absolute",
                                       mount.source));
    }
}

void read_volume_options(MountPoint& mount, const json& object) {
    const json options = body_member<json>(object, "VolumeOptions", "an object");
    mount.subpath = body_member<std::string>(options, "Subpath", "a string");
    const std::filesystem::path part(mount.subpath);
    if (part.is_absolute() || std::ranges::find(part, "..") != part.end()) {
        refuse_mount(mount.type, "subpath must be a relative path within the volume");
    }
    mount.copy_up = !body_member<bool>(options, "NoCopy", "true or false");
    mount.labels =
        body_member<std::map<std::string, std::string>>(options, "Labels", "an object of strings");
    const json driver = body_member<json>(options, "DriverConfig", "an object");
    const auto name = body_member<std::string>(driver, "Name", "a string");
    if (!name.empty() && name != "local") {
        throw NotImplemented(fmt::format("the volume driver \"{}\" (\"local\" is)", name));
    }
    mount.driver_options =
        body_member<std::map<std::string, std::string>>(driver, "Options", "an object of strings");
    mount.name = std::exchange(mount.source, "");
    mount.anonymous = mount.name.empty();
}

void read_tmpfs_options(MountPoint& mount, const json& object) {
    if (!mount.source.empty()) {
        refuse_mount(mount.type, "field Source must not be specified");
    }
    const json options = body_member<json>(object, "TmpfsOptions", "an object");
    const auto size = body_member<std::int64_t>(options, "SizeBytes", "a whole number");
    const auto mode = body_member<std::int64_t>(options, "Mode", "a whole number");
    mount.options = fmt::format("mode={:o}", mode != 0 ? mode : 01777);
    if (size != 0) {
        mount.options += fmt::format(",size={}", size);
    }
}

/// An entry of HostConfig.Mounts.
MountPoint read_mount(const json& object) {
    MountPoint mount{.type = body_member<std::string>(object, "Type", "a string"),
                     .source = body_member<std::string>(object, "Source", "a string")};
    if (mount.type.empty()) {
        mount.type = "volume";
    }
    const auto target = body_member<std::string>(object, "Target", "a string");
    if (target.empty()) {
        refuse_mount(mount.type, "field Target must not be empty");
    }
    mount.destination = normal_destination(target, target);
    mount.writable = !body_member<bool>(object, "ReadOnly", "true or false");
    if (mount.type == "bind") {
        read_bind_options(mount, object);
    } else if (mount.type == "volume") {
        read_volume_options(mount, object);
    } else if (mount.type == "tmpfs") {
        read_tmpfs_options(mount, object);
    } else {
        throw InputError(fmt::format("mount type unknown: \"{}\"", mount.type));
    }
    return mount;
}

}  // namespace

void read_mounts(const json& body, const json& host, ContainerConfig& config) {
    for (const auto& text : body_member<std::vector<std::string>>(
             host, "Binds", "an array of strings", "/HostConfig")) {
        config.mounts.push_back(read_bind(text));
    }
    for (const json& object :
         body_member<std::vector<json>>(host, "Mounts", "an array of objects", "/HostConfig")) {
        config.mounts.push_back(read_mount(object));
    }
    for (const auto& [path, options] : body_member<std::map<std::string, std::string>>(
             host, "Tmpfs", "an object of strings", "/HostConfig")) {
        config.mounts.push_back(
            {.type = "tmpfs", .destination = normal_destination(path, path), .options = options});
    }
    const json volumes = body_member<json>(body, "Volumes", "an object");
    for (const auto& [path, nothing] : volumes.items()) {
        const MountPoint mount = read_bind(path);
        // docker-compose names here what it binds, too.
        if (std::ranges::find(config.mounts, mount.destination, &MountPoint::destination) ==
            config.mounts.end()) {
            config.mounts.push_back(mount);
        }
    }
    config.volumes_from = body_member<std::vector<std::string>>(
        host, "VolumesFrom", "an array of strings", "/HostConfig");
}

json mounts_json(const ContainerConfig& config) {
    json list = json::array();
    for (const MountPoint& mount : config.mounts) {
        json one = {
            {"Type", mount.type}, {"Source", mount.source}, {"Destination", mount.destination},
            {"Mode", mount.mode}, {"RW", mount.writable},   {"Propagation", mount.propagation}};
        if (mount.type == "volume") {
            one["Name"] = mount.name;
            one["Driver"] = "local";
        } else if (mount.type == "bind" && mount.propagation.empty()) {
            one["Propagation"] = "rprivate";
        }
        list.push_back(std::move(one));
    }
    return list;
}

}  // namespace drydock::api
