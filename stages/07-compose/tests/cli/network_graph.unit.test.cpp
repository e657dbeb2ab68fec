#include "cli/network_graph.hpp"

#include <nlohmann/json.hpp>

#include "testing/catch.hpp"

#include "cli/network_trace.hpp"

namespace {

using drydock::testing::ContainsSubstring;
using nlohmann::json;

const json kNetwork = json::parse(R"({"Name": "shop", "Id": "0123456789abcdef", "Driver": "bridge",
    "Internal": false, "IPAM": {"Config": [{"Subnet": "10.1.0.0/24", "Gateway": "10.1.0.1"}]},
    "Containers": {"aaaabbbbccccdddd": {"Name": "web", "IPv4Address": "10.1.0.2/24",
                                        "IPv6Address": ""}}})");

TEST_CASE("network inspect --graph: the gateway and each container", "[07][cli][network]") {
    CHECK(drydock::cli::graph_text({kNetwork}) ==
          "shop (bridge)\n"
          "├─ gateway 10.1.0.1 in 10.1.0.0/24, NAT to the outside\n"
          "└─ web 10.1.0.2/24\n");
    json inner = kNetwork;
    inner["Internal"] = true;
    CHECK_THAT(drydock::cli::graph_text({inner}), !ContainsSubstring("NAT"));
}

TEST_CASE("network inspect --graph=mermaid: nodes and edges", "[07][cli][network]") {
    const std::string text = drydock::cli::graph_mermaid({kNetwork});
    CHECK_THAT(text, ContainsSubstring("n0123456789ab[\"shop<br/>10.1.0.0/24\"]"));
    CHECK_THAT(text, ContainsSubstring("caaaabbbbcccc -- \"10.1.0.2/24\" --> n0123456789ab"));
}

TEST_CASE("network trace: each hop with its counters, seen from the container",
          "[07][cli][network]") {
    const json trace = json::parse(R"({"Name": "web", "Mode": "bridge", "Running": true,
        "Endpoints": [{"Network": "bridge", "Interface": "eth0", "IPv4Address": "172.17.0.2/16",
            "Gateway": "172.17.0.1", "Default": true, "Internal": false, "Masquerade": true,
            "Veth": {"Link": "veth1", "RxPackets": 3, "RxBytes": 30, "TxPackets": 4, "TxBytes": 40},
            "Bridge": {"Link": "drydock0"}}],
        "Ports": [{"Protocol": "tcp", "HostAddress": "0.0.0.0", "HostPort": 8080,
                   "ContainerPort": 80}]})");
    const std::string text = drydock::cli::trace_text(trace);
    CHECK_THAT(text,
               ContainsSubstring("veth veth1: out 3 packets, 30 bytes; in 4 packets, 40 bytes"));
    CHECK_THAT(text, ContainsSubstring("NAT: its address becomes the host's"));
    CHECK_THAT(text, ContainsSubstring("0.0.0.0:8080/tcp of the host → NAT → port 80 here"));
    CHECK_THAT(drydock::cli::trace_text({{"Name", "web"}, {"Running", false}}),
               ContainsSubstring("does not run"));
}

}  // namespace
