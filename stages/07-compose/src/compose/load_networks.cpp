#include "load_networks.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock::compose {
namespace {

using YAML::Node;

std::string at(const std::string& prefix, std::string_view key) {
    return fmt::format("{}.{}", prefix, key);
}

/// One of `ports`: "8080:80", 80, or the long form.
std::string read_port(YamlReader& yaml, const Node& node, const std::string& what) {
    if (!node.IsMap()) {
        return yaml.text(node, what);
    }
    std::string target;
    std::string published;
    std::string host_ip;
    std::string protocol = "tcp";
    yaml.map(
        node, what,
        {{"target", [&](const Node& n) { target = yaml.text(n, at(what, "target")); }},
         {"published", [&](const Node& n) { published = yaml.text(n, at(what, "published")); }},
         {"host_ip", [&](const Node& n) { host_ip = yaml.text(n, at(what, "host_ip")); }},
         {"protocol", [&](const Node& n) { protocol = yaml.text(n, at(what, "protocol")); }},
         {"mode", [&](const Node& n) { yaml.text(n, at(what, "mode")); }},
         {"name", [](const Node&) {}},
         {"app_protocol", [](const Node&) {}}});
    if (target.empty()) {
        yaml.fail(node, fmt::format("{}: has no target, the port of the container", what));
    }
    if (!host_ip.empty()) {
        host_ip = host_ip.find(':') == std::string::npos ? host_ip + ":" : "[" + host_ip + "]:";
    }
    const bool names_host = !published.empty() || !host_ip.empty();
    return fmt::format("{}{}{}{}/{}", host_ip, published, names_host ? ":" : "", target, protocol);
}

void read_ports(YamlReader& yaml, const Node& node, const std::string& what, Service& service) {
    if (!node.IsSequence()) {
        yaml.fail(node, fmt::format("{}: expected a list", what));
    }
    for (const Node& item : node) {
        const std::string port = read_port(yaml, item, what);
        cli::parse_publish(port, fmt::format("{}: {}", yaml.where(item), what));
        service.container.net.publish.push_back(port);
    }
}

cli::EndpointSpec read_endpoint(YamlReader& yaml, const Node& node, const std::string& what) {
    cli::EndpointSpec spec;
    if (node.IsNull()) {
        return spec;
    }
    yaml.map(
        node, what,
        {{"aliases", [&](const Node& n) { spec.aliases = yaml.texts(n, at(what, "aliases")); }},
         {"ipv4_address",
          [&](const Node& n) { spec.ipv4 = yaml.text(n, at(what, "ipv4_address")); }},
         {"ipv6_address",
          [&](const Node& n) { spec.ipv6 = yaml.text(n, at(what, "ipv6_address")); }},
         {"mac_address", [&](const Node& n) { spec.mac = yaml.text(n, at(what, "mac_address")); }}},
        {"driver_opts", "gw_priority", "interface_name", "link_local_ips", "priority"});
    return spec;
}

void read_endpoints(YamlReader& yaml, const Node& node, const std::string& what, Service& service) {
    if (!node.IsMap()) {
        for (const std::string& name : yaml.texts(node, what)) {
            service.networks.try_emplace(name);
        }
        return;
    }
    yaml.each(node, what, [&](const Node& key, const Node& value) {
        service.networks[key.Scalar()] = read_endpoint(yaml, value, at(what, key.Scalar()));
    });
}

/// "name:address" from a list, or from a map.
std::vector<std::string> read_hosts(YamlReader& yaml, const Node& node, const std::string& what) {
    if (!node.IsMap()) {
        return yaml.texts(node, what);
    }
    std::vector<std::string> hosts;
    yaml.each(node, what, [&](const Node& key, const Node& value) {
        hosts.push_back(key.Scalar() + ":" + yaml.text(value, at(what, key.Scalar())));
    });
    return hosts;
}

void read_pools(YamlReader& yaml, const Node& node, const std::string& what,
                ProjectNetwork& network) {
    const auto read_pool = [&](const Node& item) {
        ProjectNetwork::Pool& pool = network.pools.emplace_back();
        yaml.map(item, what,
                 {{"subnet", [&](const Node& n) { pool.subnet = yaml.text(n, what); }},
                  {"gateway", [&](const Node& n) { pool.gateway = yaml.text(n, what); }},
                  {"ip_range", [&](const Node& n) { pool.range = yaml.text(n, what); }}},
                 {"aux_addresses"});
    };
    yaml.map(node, what,
             {{"driver", [&](const Node& n) { yaml.text(n, what); }},
              {"config", [&](const Node& n) { std::ranges::for_each(n, read_pool); }}},
             {"options"});
}

ProjectNetwork read_network(YamlReader& yaml, const std::string& key, const Node& node) {
    ProjectNetwork network;
    const std::string what = "networks." + key;
    if (node.IsNull()) {
        return network;
    }
    const auto no_value = [](const std::string&) { return std::optional<std::string>(""); };
    yaml.map(
        node, what,
        {{"name", [&](const Node& n) { network.name = yaml.text(n, at(what, "name")); }},
         {"external",
          [&](const Node& n) { network.external = yaml.boolean(n, at(what, "external")); }},
         {"internal",
          [&](const Node& n) { network.internal = yaml.boolean(n, at(what, "internal")); }},
         {"attachable", [&](const Node& n) { yaml.boolean(n, at(what, "attachable")); }},
         {"enable_ipv6",
          [&](const Node& n) { network.ipv6 = yaml.boolean(n, at(what, "enable_ipv6")); }},
         {"driver", [&](const Node& n) { network.driver = yaml.text(n, at(what, "driver")); }},
         {"driver_opts",
          [&](const Node& n) {
              network.options = yaml.pairs(n, at(what, "driver_opts"), no_value);
          }},
         {"labels",
          [&](const Node& n) { network.labels = yaml.pairs(n, at(what, "labels"), no_value); }},
         {"ipam", [&](const Node& n) { read_pools(yaml, n, at(what, "ipam"), network); }}},
        {"enable_ipv4"});
    return network;
}

}  // namespace

std::map<std::string, YamlReader::Key> network_keys(YamlReader& yaml, const std::string& prefix,
                                                    Service& service) {
    cli::NetworkSpec& net = service.container.net;
    const auto words = [&yaml, &prefix](const char* key, std::vector<std::string>& into) {
        return std::pair<const std::string, YamlReader::Key>(
            key,
            [&yaml, &prefix, key, &into](const Node& n) { into = yaml.texts(n, at(prefix, key)); });
    };
    return {
        {"ports", [&](const Node& n) { read_ports(yaml, n, at(prefix, "ports"), service); }},
        {"networks",
         [&](const Node& n) { read_endpoints(yaml, n, at(prefix, "networks"), service); }},
        {"extra_hosts",
         [&](const Node& n) { net.extra_hosts = read_hosts(yaml, n, at(prefix, "extra_hosts")); }},
        {"domainname",
         [&](const Node& n) { net.domainname = yaml.text(n, at(prefix, "domainname")); }},
        {"mac_address",
         [&](const Node& n) { net.first.mac = yaml.text(n, at(prefix, "mac_address")); }},
        words("expose", net.expose),
        words("dns", net.dns),
        words("dns_search", net.dns_search),
        words("dns_opt", net.dns_options),
    };
}

std::map<std::string, ProjectNetwork> read_networks(YamlReader& yaml, const Node& node) {
    std::map<std::string, ProjectNetwork> networks;
    yaml.each(node, "networks", [&](const Node& key, const Node& value) {
        networks[key.Scalar()] = read_network(yaml, key.Scalar(), value);
    });
    return networks;
}

void settle_networks(YamlReader& yaml, const Node& services, Project& project) {
    for (Service& service : project.services) {
        const bool has_mode = !service.container.network.empty();
        const Node place = services[service.name];
        if (has_mode && !service.networks.empty()) {
            yaml.fail(place,
                      fmt::format("services.{}: networks and network_mode exclude each other",
                                  service.name));
        }
        if (!has_mode && service.networks.empty()) {
            service.networks.try_emplace("default");
        }
        for (const auto& [name, endpoint] : service.networks) {
            if (name == "default") {
                project.networks.try_emplace(name);
            } else if (!project.networks.contains(name)) {
                yaml.fail(place,
                          fmt::format("services.{} is in the network \"{}\", and there is no "
                                      "such network in the file",
                                      service.name, name));
            }
        }
    }
    // Networks that no service is in are not made.
    std::erase_if(project.networks, [&](const auto& network) {
        return std::ranges::none_of(project.services, [&](const Service& service) {
            return service.networks.contains(network.first);
        });
    });
}

}  // namespace drydock::compose
