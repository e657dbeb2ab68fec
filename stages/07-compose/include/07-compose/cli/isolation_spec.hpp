#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace drydock::cli {

/// How far a container is kept from the machine, and how much of it it may use: as docker's flags,
/// and the keys of a compose file, say it.
struct IsolationSpec {
    bool privileged = false;
    std::vector<std::string> cap_add{};
    std::vector<std::string> cap_drop{};
    std::vector<std::string> devices{};       ///< "/dev/fuse[:/dev/inside[:rwm]]"
    std::vector<std::string> device_rules{};  ///< "c 42:* rmw"
    std::vector<std::string> ulimits{};       ///< "nofile=1024[:2048]"
    std::vector<std::string> security{};      ///< "no-new-privileges", "seccomp=FILE"
    std::map<std::string, std::string> sysctls{};
    std::vector<std::string> groups{};
    std::string pid{};  ///< "host", "container:NAME"
    std::string ipc{};  ///< "host", "none", "private", "shareable", "container:NAME"
    std::string uts{};
    std::string userns{};
    std::string cgroupns{};
    std::string cgroup_parent{};
    std::string runtime{};
    std::int64_t shm_bytes = 0;  ///< 0: the daemon's default
    int oom_score_adj = 0;
    bool oom_kill_disable = false;

    std::int64_t memory_reservation = 0;  ///< bytes, as the next; 0: none
    std::int64_t memory_swap = 0;         ///< -1: as much as there is
    std::optional<std::int64_t> swappiness{};
    std::int64_t cpu_shares = 0;
    std::int64_t cpu_period = 0;  ///< microseconds, as the next
    std::int64_t cpu_quota = 0;
    std::string cpuset_cpus{};
    std::string cpuset_mems{};
    std::int64_t io_weight = 0;
    std::vector<std::string> io_weights{};      ///< "/dev/sda:500"
    std::vector<std::string> io_read_bytes{};   ///< "/dev/sda:1mb", a second
    std::vector<std::string> io_write_bytes{};  ///< the same
    std::vector<std::string> io_reads{};        ///< "/dev/sda:1000", a second
    std::vector<std::string> io_writes{};       ///< the same

    std::string log_driver{};
    std::map<std::string, std::string> log_options{};
    std::map<std::string, std::string> annotations{};
    std::map<std::string, std::string> storage{};
};

/// Puts what it says into the API's HostConfig, and nothing else.
/// @throws InputError for a text that is not of the form above
void put_isolation(nlohmann::json& host, const IsolationSpec& spec);

/// "KEY=VALUE" in its parts; "KEY" alone has the value "". @throws InputError without a key
std::pair<std::string, std::string> parse_pair(const std::string& text, std::string_view where);

}  // namespace drydock::cli
