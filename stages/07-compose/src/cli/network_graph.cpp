#include "network_graph.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace drydock::cli {
namespace {

using nlohmann::json;

std::string subnets_of(const json& network) {
    std::string text;
    for (const json& pool : network.at("IPAM").at("Config")) {
        text += (text.empty() ? "" : ", ") + pool.value("Subnet", "");
    }
    return text;
}

std::string gateway_of(const json& network) {
    const json& pools = network.at("IPAM").at("Config");
    return pools.empty() ? "" : pools.front().value("Gateway", "");
}

std::string addresses_of(const json& container) {
    const std::string v4 = container.value("IPv4Address", "");
    const std::string v6 = container.value("IPv6Address", "");
    return v4 + (v4.empty() || v6.empty() ? "" : ", ") + v6;
}

/// Whether what is in the network gets out of it.
bool leads_out(const json& network) {
    return network.value("Driver", "") == "bridge" && !network.value("Internal", false);
}

}  // namespace

std::string graph_text(const std::vector<json>& networks) {
    std::string text;
    for (const json& network : networks) {
        text += fmt::format("{} ({}{})\n", network.value("Name", ""), network.value("Driver", ""),
                            network.value("Internal", false) ? ", internal" : "");
        const json& containers = network.at("Containers");
        std::vector<std::string> lines;
        if (const std::string gateway = gateway_of(network); !gateway.empty()) {
            lines.push_back(fmt::format("gateway {} in {}{}", gateway, subnets_of(network),
                                        leads_out(network) ? ", NAT to the outside" : ""));
        }
        for (const json& container : containers) {
            lines.push_back(
                fmt::format("{} {}", container.value("Name", ""), addresses_of(container)));
        }
        for (std::size_t i = 0; i < lines.size(); ++i) {
            text += (i + 1 < lines.size() ? "├─ " : "└─ ") + lines[i] + "\n";
        }
    }
    return text;
}

std::string graph_mermaid(const std::vector<json>& networks) {
    std::string text = "graph LR\n";
    for (const json& network : networks) {
        const std::string id = "n" + network.value("Id", "").substr(0, 12);
        text += fmt::format("  {}[\"{}<br/>{}\"]\n", id, network.value("Name", ""),
                            subnets_of(network));
        if (leads_out(network)) {
            text += fmt::format("  {} -- NAT --> outside((outside))\n", id);
        }
        for (const auto& [key, container] : network.at("Containers").items()) {
            const std::string node = "c" + key.substr(0, 12);
            text += fmt::format("  {0}([\"{1}\"])\n  {0} -- \"{2}\" --> {3}\n", node,
                                container.value("Name", ""), addresses_of(container), id);
        }
    }
    return text;
}

}  // namespace drydock::cli
