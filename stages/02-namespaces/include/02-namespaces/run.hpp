#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "01-chroot/exec_command.hpp"
#include "01-chroot/walk.hpp"

namespace drydock::stage02 {

enum class Network { None, Host };

struct Options {
    std::filesystem::path rootfs{};  ///< a directory: the root the command sees
    Command command{};
    WalkOptions walk{};
    std::string hostname = "drydock";
    std::string user{};  ///< "U[:G]" as find_user() reads it
    Network network = Network::None;
    bool user_namespace = false;  ///< also made without being asked for when we are not privileged
    bool readonly = false;        ///< the root
    bool init = true;             ///< PID 1 is ours and the command PID 2
    std::vector<std::string> cap_add{};
    std::vector<std::string> cap_drop{};
};

/// Runs the command in its own world and waits for it.
/// @return its exit status
/// @throws SetupError, InputError; nothing runs any more then
int run(const Options& options);

}  // namespace drydock::stage02
