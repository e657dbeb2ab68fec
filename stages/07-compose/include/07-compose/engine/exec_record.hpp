#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace drydock {

/// One more command for a container that runs.
struct ExecSpec {
    std::vector<std::string> command{};
    std::vector<std::string> env{};  ///< "NAME=value", over the container's own
    std::string user{};              ///< as for find_user(); "": the container's own
    std::string working_dir{};       ///< "": the container's own
    bool tty = false;
    bool privileged = false;  ///< it may do what the daemon may
    bool attach_stdin = false;
    bool attach_stdout = false;
    bool attach_stderr = false;
    std::string detach_keys{};                            ///< bytes
    std::optional<std::pair<unsigned, unsigned>> size{};  ///< rows and columns of its terminal
};

/// What there is to know about an exec.
struct ExecRecord {
    std::string id{};  ///< 64 hexadecimal digits
    std::string container_id{};
    ExecSpec spec{};
    bool started = false;
    int pid = 0;                     ///< as the host sees it; 0 when it does not run
    std::optional<int> exit_code{};  ///< once it has ended
};

}  // namespace drydock
