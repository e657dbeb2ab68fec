#include "07-compose/api/routes.hpp"

#include <array>

#include "api/product.hpp"

namespace drydock::api {

void answer(HttpExchange& http, Engine& engine) {
    static const std::array kGroups = {
        system_routes(), container_routes(), stream_routes(),   attach_routes(), event_routes(),
        usage_routes(),  volume_routes(),    archive_routes(),  disk_routes(),   image_routes(),
        build_routes(),  network_routes(),   registry_routes(), missing_routes()};
    serve(http, engine, kGroups);
}

HttpHeaders common_headers() {
    return {{"Api-Version", kApiVersion},
            {"Docker-Experimental", "false"},
            {"Ostype", "linux"},
            {"Server", std::string("Docker/") + kServerVersion + " (linux)"}};
}

}  // namespace drydock::api
