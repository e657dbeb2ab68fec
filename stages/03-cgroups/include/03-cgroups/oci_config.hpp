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

/// Of the terminal, in characters.
struct ConsoleSize {
    std::uint16_t height = 0;
    std::uint16_t width = 0;
};

/// @see ioprio_set(2)
struct IoPriority {
    std::string class_{};  ///< "IOPRIO_CLASS_BE"
    int priority = 0;      ///< 0 (first) to 7
};

/// @see sched_setattr(2)
struct Scheduler {
    std::string policy{};  ///< "SCHED_BATCH"
    int nice = 0;
    int priority = 0;
    std::vector<std::string> flags{};  ///< "SCHED_FLAG_RESET_ON_FORK"
    std::uint64_t runtime = 0;         ///< nanoseconds, as the next two
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
};

/// For `exec` only: lists of CPUs as cpuset(7) writes them, "0-3,7".
struct ExecCpuAffinity {
    std::string initial{};
    std::string final_{};
};

struct Process {
    bool terminal = false;
    std::optional<ConsoleSize> console_size{};
    std::string cwd{};
    std::vector<std::string> env{};
    std::vector<std::string> args{};
    User user{};
    std::optional<Capabilities> capabilities{};
    std::vector<Rlimit> rlimits{};
    bool no_new_privileges = false;
    std::optional<int> oom_score_adj{};  ///< -1000 to 1000
    std::optional<IoPriority> io_priority{};
    std::optional<Scheduler> scheduler{};
    ExecCpuAffinity exec_cpu_affinity{};
    std::string apparmor_profile{};
    std::string selinux_label{};
};

struct Root {
    std::filesystem::path path{};  ///< relative to the bundle, or absolute
    bool readonly = false;
};

struct IdMapping {
    std::uint32_t container_id = 0;
    std::uint32_t host_id = 0;
    std::uint32_t size = 0;
};

struct Mount {
    std::string destination{};
    std::string type{};
    std::string source{};
    std::vector<std::string> options{};
    std::vector<IdMapping> uid_mappings{};  ///< of an idmapped mount
    std::vector<IdMapping> gid_mappings{};
};

/// A program that the runtime starts at a certain moment of a container's life.
/// @see config.md, "POSIX-platform Hooks"
struct Hook {
    std::string path{};               ///< absolute
    std::vector<std::string> args{};  ///< argv, with argv[0]; empty: the path alone
    std::vector<std::string> env{};
    std::optional<int> timeout{};  ///< seconds, more than 0
};
struct Hooks {
    std::vector<Hook> prestart{};
    std::vector<Hook> create_runtime{};
    std::vector<Hook> create_container{};
    std::vector<Hook> start_container{};
    std::vector<Hook> poststart{};
    std::vector<Hook> poststop{};
};

struct Namespace {
    std::string type{};  ///< "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"
    std::string path{};  ///< "": a new one
};

/// What is added to a clock of a time namespace.
struct TimeOffset {
    std::int64_t secs = 0;
    std::uint32_t nanosecs = 0;
};

/// @see personality(2)
struct Personality {
    std::string domain{};  ///< "LINUX" or "LINUX32"
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
    std::vector<std::string> architectures{};  ///< "SCMP_ARCH_X86_64"; empty: the native one
    std::vector<std::string> flags{};          ///< "SECCOMP_FILTER_FLAG_LOG"
    std::string listener_path{};  ///< a Unix socket; what decides about SCMP_ACT_NOTIFY listens
    std::string listener_metadata{};
    std::vector<SeccompRule> syscalls{};
};

struct Linux {
    std::vector<Namespace> namespaces{};
    std::vector<IdMapping> uid_mappings{};
    std::vector<IdMapping> gid_mappings{};
    std::vector<std::string> masked_paths{};
    std::vector<std::string> readonly_paths{};
    std::string rootfs_propagation{};  ///< "", "rslave", …
    std::string mount_label{};
    std::optional<Personality> personality{};
    std::map<std::string, TimeOffset> time_offsets{};  ///< of "monotonic", "boottime"
    std::string cgroups_path{};
    Limits limits{};                         ///< of "resources"
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
    std::string domainname{};
    Hooks hooks{};
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
/// The same for a document that is one "process" alone, as `exec --process` takes it, and for one
/// that is "resources" alone, as `update --resources` does.
struct ReadProcess {
    Process process{};
    std::vector<std::string> warnings{};
};
ReadProcess parse_process(std::string_view text, const std::string& name);
struct ReadResources {
    Linux linux_{};  ///< limits and device_rules of it
    std::vector<std::string> warnings{};
};
ReadResources parse_resources(std::string_view text, const std::string& name);
/// The text of a config.json.
/// @throws InputError when there is none, or it is longer than kMaxConfigBytes
std::string read_config_text(const std::filesystem::path& file);
/// Reads BUNDLE/config.json.
ReadConfig read_bundle(const std::filesystem::path& bundle);

}  // namespace drydock::oci
