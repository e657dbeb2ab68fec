#include "07-compose/engine/volume_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/directory.hpp"
#include "05-images/runtime_config.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kVolumeFile = "volume.json";
constexpr const char* kVolumeData = "_data";

void check_volume_name(const std::string& name) {
    const auto letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    if (name.size() < 2) {
        throw InputError(
            fmt::format("create {}: volume name is too short, names should be at "
                        "least two alphanumeric characters",
                        name));
    }
    constexpr std::size_t kMostLetters = 255;
    if (!letter(name.front()) || name.size() > kMostLetters ||
        !std::ranges::all_of(
            name, [&](char c) { return letter(c) || c == '_' || c == '.' || c == '-'; })) {
        throw InputError(
            fmt::format("create {0}: \"{0}\" includes invalid characters for a local volume name, "
                        "only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a "
                        "host directory, use absolute path",
                        name));
    }
}

std::string option(const std::map<std::string, std::string>& options, const char* key) {
    const auto found = options.find(key);
    return found == options.end() ? "" : found->second;
}

/// Of the options of docker's local driver there is one combination: type=none,o=bind,device=DIR.
void check_volume_options(const std::map<std::string, std::string>& options) {
    for (const auto& [key, value] : options) {
        if (key != "type" && key != "o" && key != "device") {
            throw InputError(
                fmt::format("volume option \"{}\": expected type, o and device, as in "
                            "type=none,o=bind,device=/srv/data",
                            key));
        }
    }
    if (options.empty()) {
        return;
    }
    if (option(options, "type") != "none" || option(options, "o") != "bind") {
        throw NotImplemented(fmt::format("volumes with type={} and o={} (type=none and o=bind are)",
                                         option(options, "type"), option(options, "o")));
    }
    if (!option(options, "device").starts_with('/')) {
        throw InputError("volume option \"device\": expected an absolute path");
    }
}

/// In which the directory is that containers see.
fs::path source_of(const fs::path& directory, const std::map<std::string, std::string>& options) {
    const std::string device = option(options, "device");
    return device.empty() ? directory : fs::path(device);
}

void add_disk_usage(int parent, const std::string& name, dev_t device, std::set<ino_t>& linked,
                    std::uint64_t& bytes) {
    struct stat status{};
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        status.st_dev != device ||
        (status.st_nlink > 1 && !S_ISDIR(status.st_mode) && !linked.insert(status.st_ino).second)) {
        return;
    }
    if (!S_ISDIR(status.st_mode)) {
        bytes += S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
        return;
    }
    const UniqueFd directory(
        ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (directory) {
        for (const std::string& child : names_in(directory.get())) {
            add_disk_usage(directory.get(), child, device, linked, bytes);
        }
    }
}

}  // namespace

VolumeStore::VolumeStore(const fs::path& data_root)
    : root_(data_root / "volumes"), trash_(data_root / "trash") {
    make_directory(root_);
    make_directory(trash_);
}

std::pair<Volume, bool> VolumeStore::create(std::string name,
                                            std::map<std::string, std::string> labels,
                                            std::map<std::string, std::string> options) {
    if (name.empty()) {
        name = new_container_id();
        labels[kAnonymousVolumeLabel] = "";
    }
    check_volume_name(name);
    check_volume_options(options);
    const std::lock_guard lock(mutex_);
    if (auto found = load(name)) {
        return {std::move(*found), false};
    }
    const UniqueFd directory = make_directory(root_ / name);
    check(::mkdirat(directory.get(), kVolumeData, 0755) != 0 && errno != EEXIST ? -1 : 0,
          "mkdir({}/{}/{})", root_.native(), name, kVolumeData);
    const Time created = now();
    replace_file(
        directory.get(), kVolumeFile,
        json{
            {"version", 1}, {"created", to_text(created)}, {"labels", labels}, {"options", options}}
            .dump(1, ' ', false, json::error_handler_t::replace));
    const fs::path data = root_ / name / kVolumeData;
    return {Volume{.name = name,
                   .source = source_of(data, options),
                   .directory = data,
                   .created = created,
                   .labels = std::move(labels),
                   .options = std::move(options)},
            true};
}

std::optional<Volume> VolumeStore::load(const std::string& name) const {
    const fs::path file = root_ / name / kVolumeFile;
    if (name.empty() || name.find('/') != std::string::npos || name.front() == '.' ||
        !fs::exists(file)) {
        return std::nullopt;
    }
    const json object = json::parse(read_file(file), nullptr, false);
    if (!object.is_object()) {
        throw InputError(fmt::format("{}: is damaged; expected a JSON object", file.native()));
    }
    Volume volume{.name = name, .directory = root_ / name / kVolumeData};
    volume.created = parse_time(object.value("created", "")).value_or(Time{});
    volume.labels = object.value("labels", volume.labels);
    volume.options = object.value("options", volume.options);
    volume.source = source_of(volume.directory, volume.options);
    return volume;
}

std::optional<Volume> VolumeStore::find(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return load(name);
}

std::vector<Volume> VolumeStore::list() const {
    const std::lock_guard lock(mutex_);
    std::vector<Volume> volumes;
    for (const auto& entry : fs::directory_iterator(root_)) {
        try {
            if (auto volume = load(entry.path().filename())) {
                volumes.push_back(std::move(*volume));
            }
        } catch (const std::exception& e) {
            // One that cannot be read does not hide the others.
            fmt::print(stderr, "drydock-daemon: volume left alone: {}\n", e.what());
        }
    }
    std::ranges::sort(volumes, {}, &Volume::name);
    return volumes;
}

void VolumeStore::remove(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (!load(name)) {
        return;
    }
    const fs::path doomed = trash_ / unused_name("volume-");
    fs::rename(root_ / name, doomed);
    remove_tree(doomed);
}

std::uint64_t disk_usage(const fs::path& directory) {
    struct stat status{};
    if (::stat(directory.c_str(), &status) != 0) {
        return 0;
    }
    std::uint64_t bytes = 0;
    std::set<ino_t> linked;
    add_disk_usage(AT_FDCWD, directory, status.st_dev, linked, bytes);
    return bytes;
}

}  // namespace drydock
