// -v and --mount: what a container sees of the outside.
#include "mount_spec.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/cli/container_spec.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

std::vector<std::pair<std::string, std::string>> split_fields(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> fields;
    while (!text.empty()) {
        const std::string_view field = text.substr(0, text.find(','));
        text.remove_prefix(std::min(field.size() + 1, text.size()));
        const auto equals = field.find('=');
        fields.emplace_back(field.substr(0, equals),
                            equals == std::string_view::npos ? "" : field.substr(equals + 1));
    }
    return fields;
}

std::int64_t octal(const std::string& text, std::string_view where) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
    if (error != std::errc() || end != text.data() + text.size()) {
        throw InputError(fmt::format("{}: \"{}\" is no mode; expected one like 1777", where, text));
    }
    return value;
}

bool is_switched_on(const std::string& value) {
    return value.empty() || value == "true" || value == "1";
}

/// What becomes of what is mounted below the source.
void set_recursion(json& mount, const std::string& value, std::string_view where) {
    json& options = mount["BindOptions"];
    if (value == "disabled") {
        options["NonRecursive"] = true;
    } else if (value == "writable") {
        options["ReadOnlyNonRecursive"] = true;
    } else if (value == "readonly") {
        options["ReadOnlyForceRecursive"] = true;
    } else if (value != "enabled") {
        throw InputError(
            fmt::format("{}: bind-recursive={}: expected enabled, disabled, writable or readonly",
                        where, value));
    }
}

/// @return false for a key that there is not
bool set_mount_field(json& mount, const std::string& key, const std::string& value,
                     std::string_view where) {
    if (key == "type") {
        mount["Type"] = value;
    } else if (key == "source" || key == "src") {
        mount["Source"] = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
        mount["Target"] = value;
    } else if (key == "readonly" || key == "ro") {
        mount["ReadOnly"] = is_switched_on(value);
    } else if (key == "bind-propagation") {
        mount["BindOptions"]["Propagation"] = value;
    } else if (key == "bind-nonrecursive") {
        mount["BindOptions"]["NonRecursive"] = is_switched_on(value);
    } else if (key == "bind-recursive") {
        set_recursion(mount, value, where);
    } else if (key == "volume-nocopy") {
        mount["VolumeOptions"]["NoCopy"] = is_switched_on(value);
    } else if (key == "volume-subpath") {
        mount["VolumeOptions"]["Subpath"] = value;
    } else if (key == "volume-driver") {
        mount["VolumeOptions"]["DriverConfig"]["Name"] = value;
    } else if (key == "volume-label" || key == "volume-opt") {
        json& options = mount["VolumeOptions"];
        json& into = key == "volume-opt" ? options["DriverConfig"]["Options"] : options["Labels"];
        const auto equals = value.find('=');
        into[value.substr(0, equals)] = equals == std::string::npos ? "" : value.substr(equals + 1);
    } else if (key == "tmpfs-size") {
        mount["TmpfsOptions"]["SizeBytes"] = parse_bytes(value, where);
    } else if (key == "tmpfs-mode") {
        mount["TmpfsOptions"]["Mode"] = octal(value, where);
    } else {
        return false;
    }
    return true;
}

}  // namespace

json parse_mount(std::string_view text, std::string_view where) {
    json mount = {{"Type", "volume"}};
    for (const auto& [key, value] : split_fields(text)) {
        if (!set_mount_field(mount, key, value, where)) {
            throw InputError(fmt::format(
                "{}: \"{}\": unexpected key '{}'; expected type, src, dst, readonly, "
                "bind-propagation, bind-recursive, volume-nocopy, volume-subpath, volume-label, "
                "volume-opt, tmpfs-size, tmpfs-mode",
                where, text, key));
        }
    }
    if (!mount.contains("Target")) {
        throw InputError(fmt::format("{}: \"{}\": target is required", where, text));
    }
    if (mount["Type"] == "bind" && mount.contains("Source")) {
        mount["Source"] = fs::absolute(mount["Source"].get<std::string>()).lexically_normal();
    }
    return mount;
}

void put_mounts(json& body, json& host, const ContainerSpec& spec) {
    for (const std::string& volume : spec.volumes) {
        if (volume.find(':') == std::string::npos) {
            body["Volumes"][volume] = json::object();
            continue;
        }
        const bool relative = volume.starts_with("./") || volume.starts_with("../") ||
                              volume.starts_with(".:") || volume.starts_with("..:");
        const auto colon = volume.find(':');
        host["Binds"].push_back(
            relative ? fs::absolute(volume.substr(0, colon)).lexically_normal().native() +
                           volume.substr(colon)
                     : volume);
    }
    for (const std::string& mount : spec.mounts) {
        host["Mounts"].push_back(parse_mount(mount, "--mount"));
    }
    for (const std::string& tmpfs : spec.tmpfs) {
        const auto colon = tmpfs.find(':');
        host["Tmpfs"][tmpfs.substr(0, colon)] =
            colon == std::string::npos ? "" : tmpfs.substr(colon + 1);
    }
    if (!spec.volumes_from.empty()) {
        host["VolumesFrom"] = spec.volumes_from;
    }
}

}  // namespace drydock::cli
