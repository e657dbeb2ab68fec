#pragma once

#include <string>
#include <vector>

#include "07-compose/cli/container_spec.hpp"

namespace CLI {
class App;
}

namespace drydock::cli {

/// The flags of run and create that are about what a container may do and use.
struct IsolationFlags {
    IsolationSpec spec{};
    std::vector<std::string> sysctls{};
    std::vector<std::string> annotations{};
    std::vector<std::string> log_options{};
    std::vector<std::string> storage{};
    std::string shm_size{};
    std::string memory_reservation{};
    std::string memory_swap{};
    std::int64_t swappiness = -1;
};
void add_isolation_flags(CLI::App& app, IsolationFlags& flags);
/// Puts them into `spec`. @throws InputError naming the flag
void finish_isolation_flags(const IsolationFlags& flags, ContainerSpec& spec);

}  // namespace drydock::cli
