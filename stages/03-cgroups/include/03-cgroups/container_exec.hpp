#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "01-chroot/walk.hpp"

namespace drydock {

/// One more process in a container. What is not said here is as in the container's config.json.
struct ExecRequest {
    std::filesystem::path root{};
    std::string id{};
    std::filesystem::path process_file{};  ///< JSON of a whole "process"; the rest is ignored then
    std::string process_text{};            ///< the same, as text
    std::vector<std::string> args{};
    std::optional<std::string> cwd{};
    std::vector<std::string> env{};  ///< added to the container's
    std::string user{};              ///< "UID[:GID]"
    std::vector<std::uint32_t> additional_gids{};
    std::vector<std::string> capabilities{};  ///< added to all sets but the inheritable and ambient
    bool no_new_privs = false;
    bool terminal = false;
    std::filesystem::path pid_file{};
    std::filesystem::path console_socket{};
    int console_fd = -1;  ///< the same, connected; lent
    unsigned preserve_fds = 0;
    bool detach = false;
    bool ignore_paused = false;
    WalkOptions walk{};
};

/// Runs it in the container's namespaces and cgroup and waits for it, unless detached.
/// @return its exit status; 0 when detached
/// @throws InputError when the container does not run, or is paused; SetupError
int exec_in_container(const ExecRequest& request);

}  // namespace drydock
