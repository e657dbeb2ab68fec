#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "03-cgroups/oci_config.hpp"
#include "03-cgroups/run.hpp"

namespace drydock {

/// A bundle, ready to be started.
struct Bundle {
    std::filesystem::path directory{};  ///< absolute, without links
    stage03::Options options{};  ///< without id-dependent and caller's parts: see options_from()
    std::vector<std::string> warnings{};
    std::string config_text{};  ///< config.json as it was read
    std::map<std::string, std::string> annotations{};
};

/// What config.json asks for, in the words of stages 02 and 03.
/// @param bundle relative paths in the configuration begin there; absolute
/// @throws InputError with the JSON pointer; NotImplemented
stage03::Options options_from(const oci::Config& config, const std::filesystem::path& bundle);

/// What a process alone asks for: the command, who it runs as, its limits and its terminal.
stage03::Options options_from_process(const oci::Process& process);

/// @throws InputError with the JSON pointer; NotImplemented
SeccompProfile seccomp_profile_from(const oci::Seccomp& seccomp);

/// The filter, and who listens when it asks. A listener that nothing asks is not connected to.
/// @throws InputError with the JSON pointer; NotImplemented
void set_seccomp(const oci::Seccomp& seccomp, stage03::Options& options);

/// Reads `bundle`/config.json and checks that its root is a directory.
/// @param id names the cgroup, unless linux.cgroupsPath does
/// @param config_file read instead of that; "": not
Bundle load_bundle(const std::filesystem::path& bundle, const std::string& id,
                   const std::filesystem::path& config_file = {});

}  // namespace drydock
