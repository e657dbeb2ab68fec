#pragma once

#include <map>
#include <string>
#include <vector>

#include "07-compose/compose/model.hpp"

namespace drydock::compose {

/// The names of a circle of services that depend on each other, the first one again at the end;
/// empty when there is none.
std::vector<std::string> find_cycle(const std::vector<Service>& services);

/// Services so that each stands behind all it depends on; otherwise in the order of the file.
/// @pre there is no cycle
std::vector<std::string> start_order(const std::vector<Service>& services);

/// The services whose namespaces this one shares: "service:db" as a mode of network, PID or IPC.
std::vector<std::string> joined_services(const Service& service);

/// A container of the project as it is now.
struct Existing {
    std::string id{};
    std::string name{};
    std::string service{};
    int number = 1;
    std::string config_hash{};
    std::string image_id{};
    bool running = false;
};

/// What a container of a service must be like.
struct Wanted {
    std::string config_hash{};
    std::string image_id{};  ///< "" when not known: then it does not matter
};

struct Action {
    enum class Kind {
        Create,  ///< there is none: create, then start
        Start,   ///< it is there, as it must be, and does not run
        Keep,    ///< it runs as it must be
        Remove,  ///< stop and remove: surplus, or in the way of a new one
    };
    Kind kind = Kind::Keep;
    std::string service{};
    int number = 1;
    std::string id{};  ///< of the container that is there; "" for Create
};

/// What `up` does, in order. A changed container is a Remove and a Create; so is one that shares a
/// namespace with a changed one. What depends on a
/// service comes after it; what must go goes in the reverse order, first.
std::vector<Action> plan_up(const Project& project, const std::map<std::string, Wanted>& wanted,
                            const std::vector<Existing>& existing);

/// What `down` does: containers that nobody depends on go first. Containers of services that the
/// file does not have (any more) go before all others.
std::vector<Action> plan_down(const Project& project, const std::vector<Existing>& existing);

}  // namespace drydock::compose
