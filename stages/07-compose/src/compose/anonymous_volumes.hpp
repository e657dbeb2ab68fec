#pragma once

#include <string>
#include <vector>

#include "07-compose/cli/container_spec.hpp"
#include "07-compose/cli/engine.hpp"

namespace drydock::compose {

/// A volume that nobody named, and where its container has it.
struct AnonymousVolume {
    std::string name{};  ///< 64 hexadecimal digits
    std::string destination{};
};

/// Those of a container. One that is gone has none.
std::vector<AnonymousVolume> anonymous_volumes(const cli::Engine& engine, const std::string& id);

/// A container that is made anew goes on with what the one before it had, unless it asks for
/// something else at that place.
void take_over(const std::vector<AnonymousVolume>& volumes, cli::ContainerSpec& spec);

/// Also those that take_over() passed on, which no container's removal takes along any more. What
/// somebody else uses stays.
void remove_anonymous(const cli::Engine& engine, const std::vector<AnonymousVolume>& volumes);

}  // namespace drydock::compose
