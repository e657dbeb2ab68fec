#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/limits.hpp"
#include "03-cgroups/log_file.hpp"
#include "05-images/image_config.hpp"
#include "07-compose/engine/isolation.hpp"
#include "07-compose/engine/time_text.hpp"
#include "07-compose/network/settings.hpp"

namespace drydock {

/// What becomes of a container that has ended by itself.
struct RestartPolicy {
    std::string name = "no";   ///< "no", "always", "unless-stopped", "on-failure"
    unsigned max_retries = 0;  ///< of on-failure: this many in a row; 0: no end
    bool operator==(const RestartPolicy&) const = default;
};

/// Something of the outside that a container sees at a path of its own.
struct MountPoint {
    std::string type{};         ///< "bind", "volume", "tmpfs"
    std::string name{};         ///< of the volume; "" for a new one until the container is made
    std::string source{};       ///< where it is on the host; "" for a tmpfs
    std::string subpath{};      ///< of a volume: the part of it that is seen; "": all of it
    std::string destination{};  ///< absolute, normal
    std::string mode{};         ///< as a client wrote it behind the destination: "ro", "z"
    std::string propagation{};  ///< of a bind: "rprivate", "rslave", …; "": rprivate
    std::string options{};      ///< of a tmpfs: "size=64m,mode=1777"
    bool writable = true;
    bool recursive = true;     ///< of a bind: what is mounted below it comes along
    bool copy_up = true;       ///< an empty volume begins with what the image has there
    bool make_source = false;  ///< of a bind: a source that is not there becomes a directory
    bool anonymous = false;    ///< a volume that nobody named: it goes with the container
    std::map<std::string, std::string> labels{};  ///< of a volume made for it
    std::map<std::string, std::string> driver_options{};
    bool operator==(const MountPoint&) const = default;
};

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
    Isolation
        isolation{};  ///< on disk only its modes, and whether it is privileged: what a start needs

    RestartPolicy restart{};
    bool init = false;  ///< a first process that reaps, in front of the command
    std::optional<oci::Healthcheck> healthcheck{};
    std::vector<MountPoint> mounts{};
    std::vector<std::string> volumes_from{};  ///< "NAME[:ro|rw]"; only until the container is made
    std::string asked_host{};  ///< HostConfig as the client sent it, JSON: clients compare
};

enum class Status {
    Created,
    Running,
    Restarting,  ///< it has ended, and its restart policy starts it again in a moment
    Exited,
    Dead
};

/// One run of a health check.
struct HealthProbe {
    Time start{};
    Time end{};
    int exit_code = 0;
    std::string output{};  ///< the beginning of it
};
struct Health {
    std::string status = "starting";  ///< "starting", "healthy", "unhealthy"
    unsigned failing_streak = 0;
    std::vector<HealthProbe> log{};  ///< the last five
};

struct ContainerStatus {
    Status status = Status::Created;
    int pid = 0;  ///< of the first process, as the host sees it; 0 when it does not run
    int exit_code = 0;
    bool oom_killed = false;
    bool starting = false;       ///< the shim was, or is being, asked to start it
    bool stop_asked = false;     ///< somebody asked it to end: a restart policy leaves it alone
    bool paused = false;         ///< it runs, and no process of it gets on
    unsigned restart_count = 0;  ///< by its restart policy, since somebody started it
    std::string error{};         ///< why it did not start
    std::optional<Time> started_at{};
    std::optional<Time> finished_at{};
    std::string boot_id{};           ///< of the boot in which it was started
    std::optional<Health> health{};  ///< while it runs and has a health check; not kept on disk
};

/// Docker's "Running": also while it is paused, or waits to be started again.
bool is_up(const ContainerStatus& state);
/// "created", "running", "paused", "restarting", "exited", "dead": Docker's words.
std::string_view state_name(const ContainerStatus& state);

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
