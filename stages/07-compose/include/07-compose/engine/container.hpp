#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/limits.hpp"
#include "03-cgroups/log_file.hpp"
#include "07-compose/engine/time_text.hpp"
#include "07-compose/network/settings.hpp"

namespace drydock {

/// What a client asked for: the parts of Docker's Config and HostConfig that Drydock acts on, after
/// the image's own settings were put in where the client gave none.
struct ContainerConfig {
    std::string image{};     ///< as the client typed it
    std::string image_id{};  ///< "sha256:" and 64 hexadecimal digits
    std::optional<std::vector<std::string>>
        entrypoint{};  ///< nothing: the client did not say; {""}: none
    std::optional<std::vector<std::string>> cmd{};
    std::vector<std::string> env{};  ///< "NAME=value"
    std::string working_dir{};
    std::string user{};
    std::string hostname{};
    std::map<std::string, std::string> labels{};
    std::vector<std::string> exposed_ports{};  ///< "80/tcp"
    std::string stop_signal{};                 ///< "SIGTERM" when empty
    std::optional<int> stop_timeout{};         ///< seconds
    bool attach_stdin = false;
    bool attach_stdout = false;
    bool attach_stderr = false;
    bool tty = false;
    bool open_stdin = false;  ///< clients can write its input
    bool stdin_once = false;  ///< the input ends with the first of them
    unsigned rows = 0;        ///< of its terminal; 0: not said
    unsigned columns = 0;
    LogLimits log_limits = {.max_bytes = std::uint64_t{20} << 20U, .max_files = 5};

    Limits limits{};
    std::string network_mode = "default";  ///< "default" (bridge), "none", "host", "container:ID",
                                           ///< or the network that is eth0
    NetworkSettings network{};
    bool auto_remove = false;
    bool read_only = false;
    std::map<std::string, std::string> annotations{};
};

enum class Status { Created, Running, Exited, Dead };

/// "created", "running", "exited", "dead": Docker's words.
std::string_view name_of(Status status);

struct ContainerStatus {
    Status status = Status::Created;
    int pid = 0;  ///< of the first process, as the host sees it; 0 when it does not run
    int exit_code = 0;
    bool oom_killed = false;
    bool starting = false;    ///< the shim was, or is being, asked to start it
    bool stop_asked = false;  ///< somebody asked it to end: a restart policy leaves it alone
    std::string error{};      ///< why it did not start
    std::optional<Time> started_at{};
    std::optional<Time> finished_at{};
    std::string boot_id{};  ///< of the boot in which it was started
};

struct Container {
    std::string id{};    ///< 64 hexadecimal digits
    std::string name{};  ///< without "/"
    Time created{};
    ContainerConfig config{};
    ContainerStatus state{};
};

/// Entrypoint and cmd as one: Docker's Path and Args.
std::vector<std::string> command_line(const ContainerConfig& config);

/// What `docker ps` shows: "Up 4 seconds", "Exited (0) 5 minutes ago", "Created".
std::string status_text(const ContainerStatus& state, Time at);

/// container.json: all of it but the state, and back.
std::string to_json(const Container& container);
/// @throws InputError naming the place that is not as to_json writes it
Container container_from_json(std::string_view text, std::string_view name_for_errors);

/// state.json, and back; what cannot be read is the state of a container that never ran.
std::string to_json(const ContainerStatus& state);
ContainerStatus state_from_json(std::string_view text);

}  // namespace drydock
