#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/devices.hpp"
#include "03-cgroups/limits.hpp"

// config.json of an OCI bundle, under the names of the runtime-spec (config.md, config-linux.md).
// What the spec has and Drydock cannot do yet is refused while it is read: nothing that a bundle
// asks for is dropped in silence.
namespace drydock::oci {

struct User {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::optional<std::uint32_t> umask{};
    std::vector<std::uint32_t> additional_gids{};
};

/// Names as "CAP_CHOWN".
struct Capabilities {
    std::vector<std::string> bounding{};
    std::vector<std::string> effective{};
    std::vector<std::string> inheritable{};
    std::vector<std::string> permitted{};
    std::vector<std::string> ambient{};
};

struct Rlimit {
    std::string type{};  ///< "RLIMIT_NOFILE"
    std::uint64_t soft = 0;
    std::uint64_t hard = 0;
};

struct Process {
    bool terminal = false;
    std::string cwd{};
    std::vector<std::string> env{};
    std::vector<std::string> args{};
    User user{};
    std::optional<Capabilities> capabilities{};
    std::vector<Rlimit> rlimits{};
    bool no_new_privileges = false;
};

struct Root {
    std::filesystem::path path{};  ///< relative to the bundle, or absolute
    bool readonly = false;
};

struct Mount {
    std::string destination{};
    std::string type{};
    std::string source{};
    std::vector<std::string> options{};
};

struct Namespace {
    std::string type{};  ///< "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"
    std::string path{};  ///< "": a new one
};

struct IdMapping {
    std::uint32_t container_id = 0;
    std::uint32_t host_id = 0;
    std::uint32_t size = 0;
};

/// A device node to be made. @see config-linux.md, "Devices"
struct Device {
    std::string path{};
    char type = 'c';  ///< 'c' character, 'b' block, 'p' fifo
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    std::uint32_t file_mode = 0666;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
};

struct SeccompArg {
    std::uint32_t index = 0;
    std::uint64_t value = 0;
    std::uint64_t value_two = 0;
    std::string op{};  ///< "SCMP_CMP_EQ"
};

struct SeccompRule {
    std::vector<std::string> names{};
    std::string action{};  ///< "SCMP_ACT_ALLOW"
    std::optional<std::uint32_t> errno_ret{};
    std::vector<SeccompArg> args{};
};

struct Seccomp {
    std::string default_action{};
    std::optional<std::uint32_t> default_errno_ret{};
    std::vector<std::string> architectures{};
    std::vector<SeccompRule> syscalls{};
};

struct Linux {
    std::vector<Namespace> namespaces{};
    std::vector<IdMapping> uid_mappings{};
    std::vector<IdMapping> gid_mappings{};
    std::vector<std::string> masked_paths{};
    std::vector<std::string> readonly_paths{};
    std::string cgroups_path{};
    Limits limits{};                         ///< of "resources": memory, cpu, pids
    std::vector<DeviceRule> device_rules{};  ///< of "resources"
    std::vector<Device> devices{};
    std::map<std::string, std::string> sysctl{};
    std::optional<Seccomp> seccomp{};
};

struct Config {
    std::string oci_version{};
    Process process{};
    Root root{};
    std::string hostname{};
    std::vector<Mount> mounts{};
    std::map<std::string, std::string> annotations{};
    Linux linux_{};
};

struct ReadConfig {
    Config config{};
    std::vector<std::string>
        warnings{};  ///< "config.json: /process/foo: unknown property, ignored"
};

inline constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20U;

/// @param name for errors: "BUNDLE/config.json"
/// @throws InputError with JSON pointer and what was expected; NotImplemented
ReadConfig parse_config(std::string_view text, const std::string& name);
/// Reads BUNDLE/config.json.
ReadConfig read_bundle(const std::filesystem::path& bundle);

}  // namespace drydock::oci
