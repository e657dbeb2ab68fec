#pragma once

#include <filesystem>

#include "01-chroot/exec_command.hpp"
#include "01-chroot/walk.hpp"

namespace drydock::stage01 {

struct Options {
    std::filesystem::path rootfs{};  ///< a directory: the root the command sees
    Command command{};
    WalkOptions walk{};
};

/// Runs the command in its root and waits for it.
/// @return its exit status
/// @throws SetupError, InputError; nothing runs any more then
int run(const Options& options);

}  // namespace drydock::stage01
