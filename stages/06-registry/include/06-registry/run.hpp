#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "01-chroot/walk.hpp"
#include "06-registry/auth.hpp"

namespace drydock::stage06 {

struct Options {
    std::filesystem::path data_root{};
    std::string image{};                 ///< as the user wrote it
    std::vector<std::string> command{};  ///< of run; empty: the image's
    Credentials credentials{};
    unsigned at_once = 0;  ///< TransferOptions::at_once
    bool json = false;     ///< progress as the API's lines of JSON
    bool explain = false;  ///< each request on stderr, and why it is made
    WalkOptions walk{};
};

/// Pulls the image; prints docker's lines on stdout. SIGINT and SIGTERM end it with nothing left
/// behind.
void pull(const Options& options);
/// The same for push.
void push(const Options& options);

/// Runs a command in a container of the image, which is pulled when it is not here (docker's lines
/// go to stderr then).
/// @return the command's exit status
int run(const Options& options);

}  // namespace drydock::stage06
