#pragma once

#include "03-cgroups/oci_config.hpp"

#include "json_node.hpp"

// One reader for each section of config.json, each in a file of its own: oci_process.cpp,
// oci_mounts.cpp, oci_linux.cpp, oci_resources.cpp, oci_seccomp.cpp, oci_hooks.cpp.
namespace drydock::oci {

void read_process(const JsonNode& node, Process& into);
void read_mounts(const JsonNode& node, std::vector<Mount>& into);
void read_hooks(const JsonNode& node, Hooks& into);
/// "prestart", "createRuntime", …
std::vector<std::string_view> hook_names();
void read_linux(const JsonNode& node, Linux& into);
/// -1 stays what it is: it takes a limit away that a running container has.
void read_resources(const JsonNode& node, Linux& into);
/// For a new container, which has no limits to be taken away. (Swap without a limit is one.)
Limits without_unlimited(Limits limits);
void read_seccomp(const JsonNode& node, std::optional<Seccomp>& into);
/// At most as many as the kernel takes.
void read_id_mappings(const JsonNode& node, std::vector<IdMapping>& into);

}  // namespace drydock::oci
