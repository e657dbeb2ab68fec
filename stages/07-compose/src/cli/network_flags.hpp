#pragma once

#include <string>
#include <vector>

#include "07-compose/cli/container_spec.hpp"

namespace CLI {
class App;
}

namespace drydock::cli {

/// The flags of run and create that are about networks.
struct NetworkFlags {
    std::vector<std::string> networks{};  ///< the first is eth0
    NetworkSpec spec{};
};
void add_network_flags(CLI::App& app, NetworkFlags& flags);
/// Puts them into `spec`.
/// @throws InputError for ports that are none
void finish_network_flags(const NetworkFlags& flags, ContainerSpec& spec);

}  // namespace drydock::cli
