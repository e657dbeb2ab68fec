#pragma once

#include <string>
#include <vector>

#include "07-compose/cli/engine.hpp"
#include "07-compose/compose/model.hpp"
#include "07-compose/compose/plan.hpp"

namespace drydock::compose {

struct Listed {
    bool all = false;      ///< those that do not run, too
    bool quiet = false;    ///< IDs only
    std::string format{};  ///< as in cli::Listing
};
/// What `compose ps` prints.
std::string containers_text(const cli::Engine& engine, const std::vector<Existing>& containers,
                            const Listed& listed);

/// The project as a compose file, everything that was left to defaults and variables filled in.
std::string to_yaml(const Project& project);

}  // namespace drydock::compose
