#pragma once

#include <filesystem>
#include <string>

#include "01-chroot/walk.hpp"

namespace drydock {

struct CreateRequest {
    std::filesystem::path root{};
    std::filesystem::path bundle{};
    std::filesystem::path config_file{};  ///< instead of the bundle's config.json; "": that
    std::string id{};
    std::filesystem::path pid_file{};        ///< the first process's pid goes there; "": nowhere
    std::filesystem::path console_socket{};  ///< who listens there gets the terminal
    unsigned preserve_fds = 0;  ///< descriptors 3 to 2 + this are the command's as well
    bool new_keyring = true;
    WalkOptions walk{};
};

/// Everything up to the command: what is left waits in the container for start_container(). The
/// first process becomes the child of whoever adopts it when the caller ends
/// (PR_SET_CHILD_SUBREAPER).
/// @throws InputError, SetupError; nothing is left behind then
/// @see OCI runtime-spec, runtime.md, "Create"
void create_container(const CreateRequest& request);

}  // namespace drydock
