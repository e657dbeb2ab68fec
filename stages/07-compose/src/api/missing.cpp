#include <array>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "07-compose/api/routes.hpp"
#include "07-compose/engine/engine_error.hpp"

namespace drydock::api {
namespace {

void missing(Call& call) {
    throw NotImplemented(call.what);
}

void not_a_swarm(Call& /*call*/) {
    throw EngineError(Refusal::Unavailable,
                      "This node is not a swarm manager. Use \"docker swarm init\" or \"docker "
                      "swarm join\" to connect "
                      "this node to swarm and try again.");
}

// `docker inspect NAME` asks for one kind of thing after another until the answer is not 404.
void no_such_plugin(Call& call) {
    throw EngineError(Refusal::NotFound, fmt::format("plugin \"{}\" not found", call.name()));
}

constexpr std::array kMissingRoutes = std::to_array<Route>({
    {"GET", "/plugins/{*}/json", no_such_plugin},
    {"*", "/session", missing, "BuildKit; use DOCKER_BUILDKIT=0"},
    {"*", "/grpc", missing, "BuildKit; use DOCKER_BUILDKIT=0"},
    {"*", "/build/{*}", missing, "pruning of builds"},
    {"*", "/plugins/{*}", missing, "plugins"},
    {"*", "/swarm", not_a_swarm},
    {"*", "/swarm/{*}", not_a_swarm},
    {"*", "/services", not_a_swarm},
    {"*", "/services/{*}", not_a_swarm},
    {"*", "/nodes", not_a_swarm},
    {"*", "/nodes/{*}", not_a_swarm},
    {"*", "/tasks", not_a_swarm},
    {"*", "/tasks/{*}", not_a_swarm},
    {"*", "/secrets", not_a_swarm},
    {"*", "/secrets/{*}", not_a_swarm},
    {"*", "/configs", not_a_swarm},
    {"*", "/configs/{*}", not_a_swarm},
});

}  // namespace

std::span<const Route> missing_routes() {
    return kMissingRoutes;
}

}  // namespace drydock::api
