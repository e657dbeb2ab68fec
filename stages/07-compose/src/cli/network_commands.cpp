// network ls, inspect, create, rm, connect, disconnect, prune; port.
#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/rows.hpp"

#include "network_graph.hpp"
#include "network_trace.hpp"
#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

std::map<std::string, std::string> pairs_of(const std::vector<std::string>& texts) {
    std::map<std::string, std::string> pairs;
    for (const std::string& text : texts) {
        const auto equals = text.find('=');
        pairs[text.substr(0, equals)] = equals == std::string::npos ? "" : text.substr(equals + 1);
    }
    return pairs;
}

int list_networks(const Invocation& invocation) {
    CLI::App app("Lists the networks");
    prepare(app, invocation);
    Listing listing{
        .columns = {
            {"NETWORK ID", "ID"}, {"NAME", "Name"}, {"DRIVER", "Driver"}, {"SCOPE", "Scope"}}};
    std::vector<std::string> filters;
    bool whole = false;
    add_list(app, "-f,--filter", filters, "name, id, driver, label, type, dangling")
        ->type_name("KEY=VALUE");
    app.add_option("--format", listing.format, "table, json, or a template");
    app.add_flag("-q,--quiet", listing.quiet, "only IDs");
    app.add_flag("--no-trunc", whole, "whole IDs");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    std::vector<json> rows;
    for (const json& network :
         invocation.engine().get("/networks", {{"filters", filters_parameter(filters)}})) {
        const std::string id = network.at("Id");
        rows.push_back({{"ID", whole ? id : id.substr(0, 12)},
                        {"Name", network.at("Name")},
                        {"Driver", network.at("Driver")},
                        {"Scope", network.at("Scope")},
                        {"Internal", network.at("Internal").get<bool>() ? "true" : "false"},
                        {"CreatedAt", network.at("Created")}});
    }
    fmt::print("{}", list_text(listing, rows));
    return 0;
}

int draw_networks(const Engine& engine, const std::vector<std::string>& names,
                  const std::string& kind) {
    std::vector<json> networks;
    for (const std::string& name : names) {
        networks.push_back(engine.get(path_of({"networks", name})));
    }
    if (kind != "text" && kind != "mermaid") {
        throw InputError(fmt::format("--graph={}: expected text or mermaid", kind));
    }
    fmt::print("{}", kind == "text" ? graph_text(networks) : graph_mermaid(networks));
    return 0;
}

int inspect_networks(const Invocation& invocation) {
    CLI::App app("Prints all that is known of networks");
    prepare(app, invocation);
    std::vector<std::string> names;
    std::string format;
    app.add_option("NETWORK", names, "names or IDs")->required()->type_name("");
    app.add_option("-f,--format", format, "json, or a template");
    std::string graph = "text";
    app.add_flag("--graph{text}", graph, "draw them with their containers: text or mermaid");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    if (app.count("--graph") > 0) {
        return draw_networks(engine, names, graph);
    }
    return inspect_each(names, format, invocation.name, [&](const std::string& name) {
        return engine.get(path_of({"networks", name}));
    });
}

struct CreateFlags {
    std::string name{};
    std::string driver{"bridge"};
    std::vector<std::string> subnets{};
    std::vector<std::string> gateways{};
    std::vector<std::string> ranges{};
    std::vector<std::string> reserved{};
    std::vector<std::string> options{};
    std::vector<std::string> labels{};
    bool internal = false;
    bool ipv6 = false;
    bool attachable = false;
};

/// The pools: gateways and ranges go to the subnets in the order in which they are given, as there
/// is mostly one of each.
json pools_of(const CreateFlags& flags) {
    json pools = json::array();
    const std::size_t count =
        std::max({flags.subnets.size(), flags.gateways.size(), flags.ranges.size()});
    for (std::size_t i = 0; i < count; ++i) {
        json pool = json::object();
        const auto put = [&](const char* key, const std::vector<std::string>& values) {
            if (i < values.size()) {
                pool[key] = values[i];
            }
        };
        put("Subnet", flags.subnets);
        put("Gateway", flags.gateways);
        put("IPRange", flags.ranges);
        pools.push_back(std::move(pool));
    }
    if (!flags.reserved.empty() && pools.empty()) {
        throw InputError("--aux-address: it needs a --subnet that the address is in");
    }
    if (!flags.reserved.empty()) {
        pools[0]["AuxiliaryAddresses"] = pairs_of(flags.reserved);
    }
    return pools;
}

int create_network(const Invocation& invocation) {
    CLI::App app("Makes a network");
    prepare(app, invocation);
    CreateFlags flags;
    app.add_option("NETWORK", flags.name, "its name")->required()->type_name("");
    app.add_option("-d,--driver", flags.driver, "bridge");
    add_list(app, "--subnet", flags.subnets, "its addresses, like 10.1.0.0/24")->type_name("CIDR");
    add_list(app, "--gateway", flags.gateways, "the host's address in it")->type_name("IP");
    add_list(app, "--ip-range", flags.ranges, "where addresses are given out")->type_name("CIDR");
    add_list(app, "--aux-address", flags.reserved, "never given out")->type_name("NAME=IP");
    add_list(app, "-o,--opt", flags.options, "option of the driver")->type_name("KEY=VALUE");
    add_list(app, "--label", flags.labels, "note something on it")->type_name("KEY=VALUE");
    app.add_flag("--internal", flags.internal, "no way to the outside");
    app.add_flag("--ipv6", flags.ipv6, "IPv6 addresses as well");
    app.add_flag("--attachable", flags.attachable, "noted, and without effect here");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const json body = {{"Name", flags.name},
                       {"Driver", flags.driver},
                       {"Internal", flags.internal},
                       {"EnableIPv6", flags.ipv6},
                       {"Attachable", flags.attachable},
                       {"CheckDuplicate", true},
                       {"IPAM", {{"Driver", "default"}, {"Config", pools_of(flags)}}},
                       {"Options", pairs_of(flags.options)},
                       {"Labels", pairs_of(flags.labels)}};
    const json answer = invocation.engine().post("/networks/create", {}, body.dump());
    fmt::print("{}\n", answer.at("Id").get<std::string>());
    return 0;
}

int remove_networks(const Invocation& invocation) {
    CLI::App app("Removes networks");
    prepare(app, invocation);
    std::vector<std::string> names;
    app.add_option("NETWORK", names, "names or IDs")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    return for_each_name(names, invocation.name, [&](const std::string& name) {
        engine.remove(path_of({"networks", name}));
        return name;
    });
}

int connect_container(const Invocation& invocation) {
    CLI::App app("Connects a container to a network, at once when it runs");
    prepare(app, invocation);
    std::string network;
    std::string container;
    std::vector<std::string> aliases;
    std::string ipv4;
    std::string ipv6;
    app.add_option("NETWORK", network, "name or ID")->required()->type_name("");
    app.add_option("CONTAINER", container, "name or ID")->required()->type_name("");
    add_list(app, "--alias", aliases, "one more name there")->type_name("NAME");
    app.add_option("--ip", ipv4, "its address there")->type_name("IP");
    app.add_option("--ip6", ipv6, "its IPv6 address there")->type_name("IP");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    json settings = {{"Aliases", aliases}};
    if (!ipv4.empty()) {
        settings["IPAMConfig"]["IPv4Address"] = ipv4;
    }
    if (!ipv6.empty()) {
        settings["IPAMConfig"]["IPv6Address"] = ipv6;
    }
    const json body = {{"Container", container}, {"EndpointConfig", settings}};
    invocation.engine().post(path_of({"networks", network, "connect"}), {}, body.dump());
    return 0;
}

int disconnect_container(const Invocation& invocation) {
    CLI::App app("Takes a container out of a network, at once when it runs");
    prepare(app, invocation);
    std::string network;
    std::string container;
    bool force = false;
    app.add_option("NETWORK", network, "name or ID")->required()->type_name("");
    app.add_option("CONTAINER", container, "name or ID")->required()->type_name("");
    app.add_flag("-f,--force", force, "no error when it is not in there");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const json body = {{"Container", container}, {"Force", force}};
    invocation.engine().post(path_of({"networks", network, "disconnect"}), {}, body.dump());
    return 0;
}

int prune_networks(const Invocation& invocation) {
    CLI::App app("Removes the networks that no container is in");
    prepare(app, invocation);
    bool force = false;
    std::vector<std::string> filters;
    app.add_flag("-f,--force", force, "do not ask");
    add_list(app, "--filter", filters, "label")->type_name("KEY=VALUE");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    if (!force) {
        fmt::print("This removes every network that no container is in. Go on? [y/N] ");
        static_cast<void>(std::fflush(stdout));
        std::string answer;
        std::getline(std::cin, answer);
        if (answer != "y" && answer != "Y") {
            return 0;
        }
    }
    const json answer =
        invocation.engine().post("/networks/prune", {{"filters", filters_parameter(filters)}});
    const json deleted = answer.at("NetworksDeleted");
    if (!deleted.is_null()) {
        fmt::print("Deleted Networks:\n");
        for (const json& name : deleted) {
            fmt::print("{}\n", name.get<std::string>());
        }
    }
    return 0;
}

int trace_container(const Invocation& invocation) {
    CLI::App app("Draws the way of a container's packets, with what was counted on it");
    prepare(app, invocation);
    std::string name;
    app.add_option("CONTAINER", name, "name or ID")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    fmt::print(
        "{}",
        trace_text(invocation.engine().get(path_of({"drydock", "containers", name, "network"}))));
    return 0;
}

constexpr std::array kNetworkVerbs = {
    Verb{"ls", "", "list them", list_networks},
    Verb{"inspect", "", "print all that is known of them", inspect_networks},
    Verb{"create", "", "make one", create_network},
    Verb{"rm", "", "remove them", remove_networks},
    Verb{"connect", "", "connect a container", connect_container},
    Verb{"disconnect", "", "take a container out", disconnect_container},
    Verb{"prune", "", "remove those that no container is in", prune_networks},
    Verb{"trace", "", "draw the way of a container's packets", trace_container},
};

}  // namespace

int run_network(const Invocation& invocation) {
    if (invocation.arguments.empty() || invocation.arguments.front() == "--help") {
        fmt::print("usage: drydock network COMMAND ...\n\n");
        for (const Verb& verb : kNetworkVerbs) {
            fmt::print("  {:<10} {}\n", verb.name, verb.summary);
        }
        return 0;
    }
    std::string word = invocation.arguments.front();
    word = word == "list" ? "ls" : word == "remove" ? "rm" : word;
    const auto verb = std::ranges::find(kNetworkVerbs, std::string_view(word), &Verb::name);
    if (verb == kNetworkVerbs.end()) {
        throw InputError(fmt::format(
            "network: \"{}\" is no command; 'drydock network --help' lists them", printable(word)));
    }
    Invocation rest = invocation;
    rest.name += " " + word;
    rest.arguments.erase(rest.arguments.begin());
    return verb->run(rest);
}

int run_port(const Invocation& invocation) {
    CLI::App app("Prints where the ports of a container are reachable");
    prepare(app, invocation);
    std::string name;
    std::string wanted;
    app.add_option("CONTAINER", name, "name or ID")->required()->type_name("");
    app.add_option("PORT", wanted, "one of them, like 80 or 53/udp")->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    if (!wanted.empty() && wanted.find('/') == std::string::npos) {
        wanted += "/tcp";
    }
    const json container = invocation.engine().get(path_of({"containers", name, "json"}));
    bool found = false;
    for (const auto& [port, bindings] : container.at("NetworkSettings").at("Ports").items()) {
        if (bindings.is_null() || (!wanted.empty() && port != wanted)) {
            continue;
        }
        found = true;
        for (const json& binding : bindings) {
            const std::string ip = binding.at("HostIp");
            const std::string place =
                fmt::format("{}:{}", ip.find(':') == std::string::npos ? ip : "[" + ip + "]",
                            binding.at("HostPort").get<std::string>());
            fmt::print("{}\n", wanted.empty() ? port + " -> " + place : place);
        }
    }
    if (!wanted.empty() && !found) {
        throw InputError(fmt::format("no public port '{}' published for {}", wanted, name));
    }
    return 0;
}

}  // namespace drydock::cli
