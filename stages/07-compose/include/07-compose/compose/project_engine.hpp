#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "07-compose/cli/engine.hpp"
#include "07-compose/compose/model.hpp"
#include "07-compose/compose/plan.hpp"

namespace drydock::compose {

/// The containers of a project, found by their labels, sorted by service and number.
std::vector<Existing> existing_containers(const cli::Engine& engine,
                                          const std::string& project_name);

/// Makes sure that every service's image is here: builds (always, if `build` says so) or pulls it.
/// @return what each service's containers must be like
std::map<std::string, Wanted> prepare_images(const cli::Engine& engine, const Project& project,
                                             bool build);

/// Does what plan_up planned; tells of each step on stderr, as docker compose does. Calls
/// `check_interrupted` before each step. When a step fails, or check_interrupted throws, the
/// containers made here are removed again.
void execute(const cli::Engine& engine, const Project& project,
             const std::map<std::string, Wanted>& wanted, const std::vector<Action>& actions,
             const std::function<void()>& check_interrupted);

/// Stops and removes containers, in the order given. @param grace from the request to SIGKILL
/// @param volumes also their anonymous volumes
void remove_containers(const cli::Engine& engine, const std::vector<Existing>& containers,
                       std::chrono::seconds grace, bool volumes);

/// The project's volumes are there afterwards. @throws InputError when an external one is not
void create_volumes(const cli::Engine& engine, const Project& project);
/// Removes those that create_volumes() made, found by their labels.
void remove_volumes(const cli::Engine& engine, const std::string& project_name);
/// Stops them, in the order given.
void stop_containers(const cli::Engine& engine, const std::vector<Existing>& containers,
                     std::chrono::seconds grace);

/// Existing containers in the order in which they are to go.
std::vector<Existing> removal_order(const Project& project, const std::vector<Existing>& existing);

}  // namespace drydock::compose
