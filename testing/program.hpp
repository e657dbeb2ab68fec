#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace drydock::testing {

struct Outcome {
    int status = 0;  ///< exit status; 128 + n if signal n ended it
    std::string out{};
    std::string err{};
};

/// Runs a program with these arguments, no standard input, and waits for it. argv[0] without "/" is
/// one of ours (see program_path), else looked up in PATH.
/// @param env "NAME=value", added to our own environment
Outcome run_program(const std::vector<std::string>& argv, const std::vector<std::string>& env = {});

/// build/bin/NAME of this build.
std::filesystem::path program_path(const std::string& name);

/// A directory with busybox, and links for its applets, in bin/, /etc/passwd, and the probe as
/// /probe: enough of a root for every test.
void make_test_rootfs(const std::filesystem::path& directory);

}  // namespace drydock::testing
