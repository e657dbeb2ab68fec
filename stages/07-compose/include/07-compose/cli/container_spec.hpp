#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "07-compose/cli/conversation.hpp"
#include "07-compose/cli/engine.hpp"
#include "07-compose/cli/isolation_spec.hpp"
#include "07-compose/cli/network_spec.hpp"

namespace drydock::cli {

/// "on-failure:3" in its parts.
struct RestartSpec {
    std::string policy{};  ///< "" and "no": none
    int retries = 0;
};
/// @throws InputError naming `where` and what would be right
RestartSpec parse_restart(std::string_view text, std::string_view where);

/// How to find out whether a container works: docker's Healthcheck, times in nanoseconds, 0 for
/// the default.
struct HealthSpec {
    std::vector<std::string> test{};  ///< {"CMD", …}, {"CMD-SHELL", x}, {"NONE"}; {}: the image's
    std::int64_t interval = 0;
    std::int64_t timeout = 0;
    std::int64_t start_period = 0;
    std::int64_t start_interval = 0;
    int retries = 0;
};
/// Nanoseconds of "1m30s", "500ms", "2h". @throws InputError
std::int64_t parse_duration(std::string_view text, std::string_view where);

/// When an image is fetched although, or because, it is here or is not.
enum class PullPolicy { Missing, Always, Never };
/// "always", "missing" ("" too) or "never". @throws InputError
PullPolicy parse_pull_policy(std::string_view text, std::string_view where);

/// Which of a container's streams a client has at its start.
struct AttachedStreams {
    bool in = false;
    bool out = false;
    bool err = false;
};

/// A container as a user asks for it, whether by flags or in a compose file.
struct ContainerSpec {
    std::string image{};
    std::string platform{};  ///< "linux/amd64"; "": this machine's
    PullPolicy pull = PullPolicy::Missing;
    bool quiet_pull = false;
    std::string name{};  ///< "" for one that the daemon makes up
    std::vector<std::string> command{};
    std::optional<std::vector<std::string>>
        entrypoint{};                ///< {""} for none, also when the image has one
    std::vector<std::string> env{};  ///< "NAME=value"
    std::string workdir{};
    std::string user{};
    std::string hostname{};
    std::map<std::string, std::string> labels{};
    std::string network{};  ///< "" for the daemon's default
    NetworkSpec net{};
    std::int64_t memory_bytes = 0;  ///< 0: no limit
    std::int64_t nano_cpus = 0;     ///< billionths of a CPU; 0: no limit
    std::int64_t pids = 0;          ///< 0: the daemon's default
    bool read_only = false;
    IsolationSpec isolation{};
    bool init = false;
    bool auto_remove = false;
    ConversationOptions streams{};  ///< -i and -t
    AttachedStreams attached{};
    bool stdin_once = false;  ///< its input ends with the first client that had it
    bool explain = false;
    std::vector<std::string> without{};
    RestartSpec restart{};
    std::optional<HealthSpec> health{};
    std::string stop_signal{};
    std::optional<int> stop_timeout{};   ///< seconds
    std::vector<std::string> volumes{};  ///< as docker's -v: "SOURCE:PLACE[:MODE]", "PLACE"
    std::vector<std::string> mounts{};   ///< as docker's --mount: "type=bind,src=…,dst=…"
    std::vector<std::string> tmpfs{};    ///< "PLACE[:OPTIONS]"
    std::vector<std::string> volumes_from{};
};

/// "type=volume,src=data,dst=/data,ro" as an entry of the API's HostConfig.Mounts.
/// @throws InputError
nlohmann::json parse_mount(std::string_view text, std::string_view where);

/// The body of POST /containers/create, JSON. Keys are sorted, so equal specs give equal text.
std::string create_body(const ContainerSpec& spec);

/// Creates the container.
/// @return its ID; nothing when its image is not here
std::optional<std::string> try_create(const Engine& engine, const ContainerSpec& spec);
/// Pulls, and tells on stderr why and how it goes on.
/// @throws InputError when the spec says never
void pull_missing_image(const Engine& engine, const ContainerSpec& spec);
/// Both: creates the container; an image that is not here is pulled first, unless the spec says
/// never.
std::string create_container(const Engine& engine, const ContainerSpec& spec);

/// Bytes of "256m", "1.5g", "512KiB", "1048576"; b, k, m, g, t are powers of 1024.
/// @throws InputError naming `where`, the value and what would be right
std::int64_t parse_bytes(std::string_view text, std::string_view where);
/// Billionths of a CPU of "0.5".
std::int64_t parse_cpus(std::string_view text, std::string_view where);
/// "NAME=value" as it is; "NAME" with its value in our environment, nothing when it has none.
std::optional<std::string> parse_env(const std::string& text, std::string_view where);

}  // namespace drydock::cli
