#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "03-cgroups/oci_config.hpp"
#include "03-cgroups/run.hpp"

// Each turns one section of config.json into what stages 02 and 03 take; what cannot be done on
// this machine is refused here, before anything starts. A file for each.
namespace drydock {

/// New and joined namespaces, ID maps, names, clocks.
void set_namespaces(const oci::Config& config, stage03::Options& options);
/// The root and everything mounted or made in it.
void set_mounts(const oci::Config& config, const std::filesystem::path& bundle,
                stage03::Options& options);
/// Who the command runs as and with what limits and privileges.
void set_identity(const oci::Process& process, stage03::Options& options);

/// What is not as it was asked for, but can be started all the same.
std::vector<std::string> warnings_about(const oci::Process& process, stage03::Options& options);

// What config.json may say, for `features`.
std::vector<std::string_view> namespace_names();
std::vector<std::string_view> seccomp_action_names();
std::vector<std::string_view> seccomp_operator_names();
std::vector<std::string_view> seccomp_flag_names();
std::vector<std::string_view> seccomp_architecture_names();

std::vector<IdRange> id_ranges(const std::vector<oci::IdMapping>& mappings);

}  // namespace drydock
