#include "network_flags.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {

void add_network_flags(CLI::App& app, NetworkFlags& flags) {
    NetworkSpec& spec = flags.spec;
    add_list(app, "--network,--net", flags.networks,
             "bridge (the default), none, host, container:NAME, or one of 'drydock network ls'")
        ->type_name("NETWORK");
    add_list(app, "--network-alias,--net-alias", spec.first.aliases, "one more name there")
        ->type_name("NAME");
    app.add_option("--ip", spec.first.ipv4, "its address there")->type_name("IP");
    app.add_option("--ip6", spec.first.ipv6, "its IPv6 address there")->type_name("IP");
    app.add_option("--mac-address", spec.first.mac, "its Ethernet address")->type_name("MAC");
    add_list(app, "-p,--publish", spec.publish, "make a port reachable on the host")
        ->type_name("[[IP:]HOSTPORT:]PORT[/udp]");
    app.add_flag("-P,--publish-all", spec.publish_all,
                 "every exposed port, on ports of our choice");
    add_list(app, "--expose", spec.expose, "say that it serves a port")->type_name("PORT");
    add_list(app, "--link", spec.links, "another container, by a name of our choice")
        ->type_name("CONTAINER[:ALIAS]");
    add_list(app, "--add-host", spec.extra_hosts, "a line for its /etc/hosts; IP or host-gateway")
        ->type_name("NAME:IP");
    add_list(app, "--dns", spec.dns, "whom it asks for names")->type_name("IP");
    add_list(app, "--dns-search", spec.dns_search, "where short names are looked for")
        ->type_name("DOMAIN");
    add_list(app, "--dns-option,--dns-opt", spec.dns_options, "option of its resolver")
        ->type_name("OPTION");
    app.add_option("--domainname", spec.domainname, "its NIS domain name")->type_name("NAME");
}

void finish_network_flags(const NetworkFlags& flags, ContainerSpec& spec) {
    spec.net = flags.spec;
    for (const std::string& text : spec.net.publish) {
        parse_publish(text, "--publish");
    }
    for (const std::string& text : spec.net.expose) {
        parse_publish(text, "--expose");
    }
    for (const std::string& network : flags.networks) {
        if (spec.network.empty()) {
            spec.network = network;
        } else {
            spec.net.endpoints.try_emplace(network);
        }
    }
}

}  // namespace drydock::cli
