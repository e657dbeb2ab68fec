#include "07-compose/compose/render.hpp"

#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include "07-compose/cli/format.hpp"
#include "07-compose/cli/rows.hpp"
#include "07-compose/compose/naming.hpp"
#include "07-compose/compose/project_networks.hpp"

namespace drydock::compose {
namespace {

using nlohmann::json;

std::string age_of(std::int64_t created) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return cli::human_duration(std::chrono::duration_cast<std::chrono::seconds>(now).count() -
                               created) +
           " ago";
}

/// A key with a value that is there only when it is not empty.
template <class Value>
void put(YAML::Emitter& out, const char* key, const Value& value) {
    if (!value.empty()) {
        out << YAML::Key << key << YAML::Value << value;
    }
}

void put_limits(YAML::Emitter& out, const cli::ContainerSpec& spec) {
    if (spec.memory_bytes == 0 && spec.nano_cpus == 0 && spec.pids == 0) {
        return;
    }
    out << YAML::Key << "deploy" << YAML::BeginMap << YAML::Key << "resources" << YAML::BeginMap
        << YAML::Key << "limits" << YAML::BeginMap;
    constexpr double kNano = 1e9;
    put(out, "cpus",
        spec.nano_cpus == 0 ? std::string()
                            : fmt::format("{}", static_cast<double>(spec.nano_cpus) / kNano));
    put(out, "memory", spec.memory_bytes == 0 ? std::string() : std::to_string(spec.memory_bytes));
    put(out, "pids", spec.pids == 0 ? std::string() : std::to_string(spec.pids));
    out << YAML::EndMap << YAML::EndMap << YAML::EndMap;
}

void put_endpoints(YAML::Emitter& out, const Service& service) {
    if (service.networks.empty()) {
        return;
    }
    out << YAML::Key << "networks" << YAML::BeginMap;
    for (const auto& [key, endpoint] : service.networks) {
        out << YAML::Key << key << YAML::Value << YAML::BeginMap;
        put(out, "aliases", endpoint.aliases);
        put(out, "ipv4_address", endpoint.ipv4);
        put(out, "ipv6_address", endpoint.ipv6);
        put(out, "mac_address", endpoint.mac);
        out << YAML::EndMap;
    }
    out << YAML::EndMap;
}

void put_pools(YAML::Emitter& out, const ProjectNetwork& network) {
    if (network.pools.empty()) {
        return;
    }
    out << YAML::Key << "ipam" << YAML::BeginMap << YAML::Key << "config" << YAML::BeginSeq;
    for (const ProjectNetwork::Pool& pool : network.pools) {
        out << YAML::BeginMap;
        put(out, "subnet", pool.subnet);
        put(out, "gateway", pool.gateway);
        put(out, "ip_range", pool.range);
        out << YAML::EndMap;
    }
    out << YAML::EndSeq << YAML::EndMap;
}

void put_networks(YAML::Emitter& out, const Project& project) {
    if (project.networks.empty()) {
        return;
    }
    out << YAML::Key << "networks" << YAML::BeginMap;
    for (const auto& [key, network] : project.networks) {
        out << YAML::Key << key << YAML::Value << YAML::BeginMap;
        put(out, "name", network_name(project, key));
        for (const auto& [name, value] : {std::pair("external", network.external),
                                          {"internal", network.internal},
                                          {"enable_ipv6", network.ipv6}}) {
            if (value) {
                out << YAML::Key << name << YAML::Value << true;
            }
        }
        put(out, "driver", network.driver);
        put(out, "driver_opts", network.options);
        put(out, "labels", network.labels);
        put_pools(out, network);
        out << YAML::EndMap;
    }
    out << YAML::EndMap;
}

void put_service(YAML::Emitter& out, const Project& project, const Service& service) {
    const cli::ContainerSpec& spec = service.container;
    out << YAML::Key << service.name << YAML::Value << YAML::BeginMap;
    put(out, "image", image_name(project, service));
    if (service.build) {
        out << YAML::Key << "build" << YAML::BeginMap;
        put(out, "context", service.build->context.native());
        put(out, "dockerfile", service.build->dockerfile);
        put(out, "target", service.build->target);
        put(out, "args", service.build->args);
        out << YAML::EndMap;
    }
    put(out, "command", spec.command);
    put(out, "entrypoint", spec.entrypoint.value_or(std::vector<std::string>()));
    put(out, "environment", spec.env);
    put(out, "depends_on", service.depends_on);
    put_limits(out, spec);
    put(out, "labels", spec.labels);
    put(out, "container_name", service.container_name);
    put(out, "hostname", spec.hostname);
    put(out, "user", spec.user);
    put(out, "working_dir", spec.workdir);
    put(out, "network_mode", spec.network);
    put_endpoints(out, service);
    put(out, "ports", spec.net.publish);
    put(out, "expose", spec.net.expose);
    put(out, "extra_hosts", spec.net.extra_hosts);
    put(out, "dns", spec.net.dns);
    put(out, "dns_search", spec.net.dns_search);
    put(out, "dns_opt", spec.net.dns_options);
    put(out, "domainname", spec.net.domainname);
    if (service.replicas != 1) {
        out << YAML::Key << "scale" << YAML::Value << service.replicas;
    }
    if (spec.read_only) {
        out << YAML::Key << "read_only" << YAML::Value << true;
    }
    if (spec.init) {
        out << YAML::Key << "init" << YAML::Value << true;
    }
    out << YAML::EndMap;
}

}  // namespace

std::string containers_text(const cli::Engine& engine, const std::vector<Existing>& containers,
                            const Listed& listed) {
    const json all = engine.get("/containers/json", {{"all", "1"}});
    std::vector<json> rows;
    for (const Existing& container : containers) {
        if (!listed.all && !container.running) {
            continue;
        }
        for (const json& found : all) {
            if (found.value("Id", "") == container.id) {
                rows.push_back(
                    {{"ID", cli::short_id(container.id)},
                     {"Name", container.name},
                     {"Image", found.value("Image", "")},
                     {"Command", "\"" + cli::ellipsis(found.value("Command", ""), 20) + "\""},
                     {"Service", container.service},
                     {"RunningFor", age_of(found.value("Created", std::int64_t{0}))},
                     {"State", found.value("State", "")},
                     {"Status", found.value("Status", "")}});
            }
        }
    }
    return cli::list_text({.columns = {{"NAME", "Name"},
                                       {"IMAGE", "Image"},
                                       {"COMMAND", "Command"},
                                       {"SERVICE", "Service"},
                                       {"CREATED", "RunningFor"},
                                       {"STATUS", "Status"}},
                           .format = listed.format,
                           .quiet = listed.quiet},
                          rows);
}

std::string to_yaml(const Project& project) {
    YAML::Emitter out;
    out << YAML::BeginMap;
    put(out, "name", project.name);
    out << YAML::Key << "services" << YAML::BeginMap;
    for (const Service& service : project.services) {
        put_service(out, project, service);
    }
    out << YAML::EndMap;
    put_networks(out, project);
    out << YAML::EndMap;
    return std::string(out.c_str()) + "\n";
}

}  // namespace drydock::compose
