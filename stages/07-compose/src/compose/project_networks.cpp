#include "07-compose/compose/project_networks.hpp"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

namespace drydock::compose {
namespace {

using cli::path_of;
using nlohmann::json;

constexpr int kNoSuchNetwork = 404;
constexpr const char* kProjectLabel = "com.docker.compose.project";

void tell_of_network(const std::string& network, const char* what) {
    static_cast<void>(std::fprintf(stderr, " Network %s  %s\n", network.c_str(), what));
}

bool is_there(const cli::Engine& engine, const std::string& name) {
    try {
        static_cast<void>(engine.get(path_of({"networks", name})));
        return true;
    } catch (const cli::EngineError& e) {
        if (e.status() != kNoSuchNetwork) {
            throw;
        }
        return false;
    }
}

json create_body(const Project& project, const std::string& key, const ProjectNetwork& network) {
    json pools = json::array();
    for (const ProjectNetwork::Pool& pool : network.pools) {
        json one = json::object();
        for (const auto& [name, value] : {std::pair("Subnet", pool.subnet),
                                          {"Gateway", pool.gateway},
                                          {"IPRange", pool.range}}) {
            if (!value.empty()) {
                one[name] = value;
            }
        }
        pools.push_back(std::move(one));
    }
    std::map<std::string, std::string> labels = network.labels;
    labels[kProjectLabel] = project.name;
    labels["com.docker.compose.network"] = key;
    return {{"Name", network_name(project, key)},
            {"Driver", network.driver.empty() ? "bridge" : network.driver},
            {"Internal", network.internal},
            {"EnableIPv6", network.ipv6},
            {"CheckDuplicate", true},
            {"IPAM", {{"Driver", "default"}, {"Config", pools}}},
            {"Options", network.options},
            {"Labels", labels}};
}

}  // namespace

std::string network_name(const Project& project, const std::string& key) {
    const auto network = project.networks.find(key);
    if (network != project.networks.end() && !network->second.name.empty()) {
        return network->second.name;
    }
    const bool external = network != project.networks.end() && network->second.external;
    return external ? key : fmt::format("{}_{}", project.name, key);
}

void put_networks(const Project& project, const Service& service, cli::ContainerSpec& spec) {
    for (const auto& [key, endpoint] : service.networks) {
        const std::string name = network_name(project, key);
        cli::EndpointSpec one = endpoint;
        one.aliases.push_back(service.name);
        if (spec.network.empty()) {
            one.mac = one.mac.empty() ? spec.net.first.mac : one.mac;
            spec.network = name;
            spec.net.first = std::move(one);
        } else {
            spec.net.endpoints[name] = std::move(one);
        }
    }
}

void make_networks(const cli::Engine& engine, const Project& project,
                   std::vector<std::string>& made) {
    for (const auto& [key, network] : project.networks) {
        const std::string name = network_name(project, key);
        if (is_there(engine, name)) {
            continue;
        }
        if (network.external) {
            throw InputError(fmt::format(
                "network {} is declared as external, but could not be found; make it with "
                "'drydock network create {}'",
                name, name));
        }
        const json answer =
            engine.post("/networks/create", {}, create_body(project, key, network).dump());
        made.push_back(answer.at("Id").get<std::string>());
        tell_of_network(name, "Created");
    }
}

void remove_made(const cli::Engine& engine, const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
        try {
            engine.remove(path_of({"networks", id}));
        } catch (const std::exception& e) {
            static_cast<void>(std::fprintf(stderr, "drydock-compose: network %s stays: %s\n",
                                           id.c_str(), e.what()));
        }
    }
}

void remove_networks(const cli::Engine& engine, const std::string& project_name) {
    const json filters = {{"label", {{fmt::format("{}={}", kProjectLabel, project_name), true}}}};
    for (const json& network : engine.get("/networks", {{"filters", filters.dump()}})) {
        engine.remove(path_of({"networks", network.at("Id").get<std::string>()}));
        tell_of_network(network.at("Name").get<std::string>(), "Removed");
    }
}

}  // namespace drydock::compose
