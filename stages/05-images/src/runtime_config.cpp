#include "05-images/runtime_config.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exec_command.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/capabilities.hpp"
#include "02-namespaces/id_map.hpp"
#include "05-images/layer_view.hpp"

#include "linux_section.hpp"

namespace drydock {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxPasswdSize = std::size_t{4} << 20U;

void set_variable(std::vector<std::string>& env, const std::string& variable) {
    const std::string_view name = std::string_view(variable).substr(0, variable.find('='));
    const auto is_it = [&](const std::string& other) {
        return other.starts_with(name) && other[name.size()] == '=';
    };
    const auto found = std::ranges::find_if(env, is_it);
    if (variable.find('=') == std::string::npos) {
        std::erase_if(env, is_it);
    } else if (found != env.end()) {
        *found = variable;
    } else {
        env.push_back(variable);
    }
}

json to_json(const oci::Mount& mount) {
    json result = {{"destination", mount.destination}, {"type", mount.type}};
    if (!mount.source.empty()) {
        result["source"] = mount.source;
    }
    if (!mount.options.empty()) {
        result["options"] = mount.options;
    }
    return result;
}

/// Whether the group of terminals has an ID in this user namespace; in one with a single ID it has
/// none, and devpts takes no such option.
bool has_terminal_group() {
    constexpr std::uint32_t kTerminalGroup = 5;
    std::istringstream text(read_file("/proc/self/gid_map"));
    for (IdRange range; text >> range.inside >> range.outside >> range.count;) {
        if (maps({range}, kTerminalGroup)) {
            return true;
        }
    }
    return false;
}

/// Docker's own list; the cgroup tree and sysfs are the host's, so they can only be read.
std::vector<oci::Mount> default_mounts(const ContainerOptions& options) {
    const std::string host_tree = options.privileged ? "rw" : "ro";
    std::vector<oci::Mount> mounts = {
        {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
        {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
        {"/dev/pts",
         "devpts",
         "devpts",
         {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
        {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", host_tree}},
        {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", host_tree}},
        {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
    };
    if (!has_terminal_group()) {
        for (oci::Mount& mount : mounts) {
            std::erase(mount.options, "gid=5");
        }
    }
    if (options.shm_size != 0) {
        mounts.push_back(
            {"/dev/shm",
             "tmpfs",
             "shm",
             {"nosuid", "noexec", "nodev", "mode=1777", fmt::format("size={}", options.shm_size)}});
    }
    return mounts;
}

json mounts_of(const ContainerOptions& options, const oci::Mount& rootfs) {
    json result = json::array();
    if (!rootfs.type.empty()) {
        result.push_back(to_json(rootfs));
    }
    for (const oci::Mount& mount : default_mounts(options)) {
        // What the user mounts at the same place takes the default's.
        if (std::ranges::find(options.mounts, mount.destination, &oci::Mount::destination) ==
            options.mounts.end()) {
            result.push_back(to_json(mount));
        }
    }
    for (const oci::Mount& mount : options.mounts) {
        result.push_back(to_json(mount));
    }
    return result;
}

json capabilities_of(const ContainerOptions& options, std::uint32_t uid) {
    const Capabilities sets = capabilities_for(uid, container_capabilities(options));
    return {{"bounding", capability_names(sets.bounding)},
            {"permitted", capability_names(sets.permitted)},
            {"effective", capability_names(sets.effective)}};
}

json process_of(const oci::ExecutionConfig& image, const ContainerOptions& options,
                const ResolvedUser& user) {
    const std::string& wanted = options.workdir.empty() ? image.working_dir : options.workdir;
    const std::string workdir = wanted.empty() ? std::string("/") : wanted;
    if (!workdir.starts_with('/')) {
        throw InputError(
            fmt::format("working directory \"{}\": expected an absolute path", workdir));
    }
    json result = {{"terminal", options.terminal},
                   {"cwd", workdir},
                   {"args", command_of(image, options)},
                   {"env", environment_of(image, options, user.home)},
                   {"user",
                    {{"uid", user.user.uid},
                     {"gid", user.user.gid},
                     {"additionalGids", user.user.additional_gids}}},
                   {"capabilities", capabilities_of(options, user.user.uid)},
                   {"noNewPrivileges", options.no_new_privileges}};
    if (options.oom_score_adj) {
        result["oomScoreAdj"] = *options.oom_score_adj;
    }
    if (!options.apparmor_profile.empty()) {
        result["apparmorProfile"] = options.apparmor_profile;
    }
    for (const oci::Rlimit& limit : options.rlimits) {
        result["rlimits"].push_back(
            {{"type", limit.type}, {"soft", limit.soft}, {"hard", limit.hard}});
    }
    return result;
}

oci::Mount mount_of(const MountSpec& overlay) {
    oci::Mount result{.destination = "/", .type = overlay.type, .source = overlay.source};
    std::string_view rest = overlay.data;
    while (!rest.empty()) {
        const std::size_t comma = rest.find(',');
        result.options.emplace_back(rest.substr(0, comma));
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
    return result;
}

}  // namespace

// [region: command-of]
std::vector<std::string> command_of(const oci::ExecutionConfig& image,
                                    const ContainerOptions& options) {
    std::vector<std::string> result;
    if (options.entrypoint) {
        const bool reset = options.entrypoint->size() == 1 && options.entrypoint->front().empty();
        result = reset ? std::vector<std::string>{} : *options.entrypoint;
    } else {
        result = image.entrypoint.value_or(std::vector<std::string>{});
    }
    // The image's cmd was meant for the image's entrypoint.
    const bool takes_image_cmd = !options.entrypoint && (!options.cmd || options.cmd->empty());
    const auto& cmd = takes_image_cmd ? image.cmd : options.cmd;
    if (cmd) {
        result.insert(result.end(), cmd->begin(), cmd->end());
    }
    if (result.empty()) {
        throw InputError("no command specified: the image has none, so name one");
    }
    return result;
}
// [/region]

std::vector<std::string> environment_of(const oci::ExecutionConfig& image,
                                        const ContainerOptions& options, const std::string& home) {
    std::vector<std::string> env = {std::string("PATH=") + kDefaultPath};
    if (!options.hostname.empty()) {
        env.push_back(fmt::format("HOSTNAME={}", options.hostname));
    }
    if (options.terminal) {
        env.emplace_back("TERM=xterm");
    }
    env.push_back(fmt::format("HOME={}", home));
    for (const auto* source : {&image.env, &options.env}) {
        for (const std::string& variable : *source) {
            if (variable.empty() || variable.front() == '=') {
                throw InputError(fmt::format("environment \"{}\": expected NAME=value", variable));
            }
            set_variable(env, variable);
        }
    }
    return env;
}

// [region: runtime-config]
std::string runtime_config(const oci::ExecutionConfig& image, const ContainerOptions& options,
                           const oci::Mount& rootfs, const ResolvedUser& user) {
    json result = {{"ociVersion", "1.0.2"},
                   {"process", process_of(image, options, user)},
                   {"root", {{"path", "rootfs"}, {"readonly", options.readonly_rootfs}}},
                   {"mounts", mounts_of(options, rootfs)},
                   {"linux", linux_section(options)}};
    if (!options.hostname.empty() && options.uts_namespace.empty()) {
        result["hostname"] = options.hostname;
    }
    if (!options.domainname.empty() && options.uts_namespace.empty()) {
        result["domainname"] = options.domainname;
    }
    if (!options.annotations.empty()) {
        result["annotations"] = options.annotations;
    }
    return result.dump(2) + "\n";
}
// [/region]

void set_bundle_limits(const std::filesystem::path& bundle, const Limits& limits) {
    json config = json::parse(read_file(bundle / "config.json"));
    json& resources = config["linux"]["resources"];
    for (const char* section : {"memory", "cpu", "pids", "blockIO"}) {
        resources.erase(section);
    }
    put_limits(resources, limits);
    const UniqueFd fd = open_file(bundle, O_RDONLY | O_DIRECTORY);
    replace_file(fd.get(), "config.json", config.dump(2) + "\n");
}

std::vector<std::filesystem::path> layer_directories(const ImageStore& store,
                                                     const std::vector<Digest>& chains) {
    std::vector<std::filesystem::path> result;
    for (auto chain = chains.rbegin(); chain != chains.rend(); ++chain) {
        result.push_back(store.snapshots().layer_directory(*chain));
    }
    return result;
}

ReadImageFile file_reader(const LayerView& view) {
    return [&view](std::string_view path) { return view.read_file(path, kMaxPasswdSize); };
}

Bundle make_bundle(ImageStore& store, const Image& image, const ContainerOptions& options,
                   const std::filesystem::path& directory, const std::string& key) {
    return make_bundle(store, store.config(image).config, store.unpack(image), options,
                       {directory, key});
}

// [region: make-bundle]
Bundle make_bundle(ImageStore& store, const oci::ExecutionConfig& config,
                   const std::vector<Digest>& chains, const ContainerOptions& options,
                   const BundlePlace& place) {
    const LayerView view(layer_directories(store, chains));
    const ResolvedUser user = resolve_user(options.user.empty() ? config.user : options.user,
                                           options.group_add, file_reader(view));
    Bundle bundle{.directory = place.directory,
                  .snapshot_key = place.key,
                  .args = command_of(config, options)};  // before anything is made

    std::filesystem::create_directories(place.directory.parent_path());
    check(::mkdir(place.directory.c_str(), 0700), "mkdir({})", place.directory.native());
    try {
        const ActiveSnapshot snapshot = store.snapshots().prepare(place.key, chains);
        bundle.upper = snapshot.upper;
        check(::mkdir((place.directory / "rootfs").c_str(), 0755), "mkdir({}/rootfs)",
              place.directory.native());
        const UniqueFd fd = open_file(place.directory, O_RDONLY | O_DIRECTORY);
        replace_file(fd.get(), "config.json",
                     runtime_config(config, options, mount_of(snapshot.overlay), user));
    } catch (...) {
        remove_bundle(store, place.directory, place.key);
        throw;
    }
    return bundle;
}
// [/region]

void remove_bundle(ImageStore& store, const std::filesystem::path& directory,
                   const std::string& key) {
    std::filesystem::remove_all(directory);
    store.snapshots().remove(key);
}

std::string new_container_id() {
    std::array<unsigned char, 32> bytes{};
    check(::getrandom(bytes.data(), bytes.size(), 0), "getrandom()");
    return fmt::format("{:02x}", fmt::join(bytes, ""));
}

}  // namespace drydock
