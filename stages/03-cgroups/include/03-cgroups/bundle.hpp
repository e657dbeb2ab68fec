#pragma once

#include <filesystem>
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
};

/// What config.json asks for, in the words of stages 02 and 03.
/// @param bundle relative paths in the configuration begin there; absolute
/// @throws InputError with the JSON pointer; NotImplemented
stage03::Options options_from(const oci::Config& config, const std::filesystem::path& bundle);

/// Reads `bundle`/config.json and checks that its root is a directory.
/// @param id names the cgroup, unless linux.cgroupsPath does
Bundle load_bundle(const std::filesystem::path& bundle, const std::string& id);

}  // namespace drydock
