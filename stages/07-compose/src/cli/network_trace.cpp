#include "network_trace.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace drydock::cli {
namespace {

using nlohmann::json;

/// What has gone through a link, seen from the container.
std::string counted(const json& link, bool from_outside) {
    const auto count = [&](const char* key) { return link.value(key, std::uint64_t{0}); };
    const auto out_packets = count(from_outside ? "RxPackets" : "TxPackets");
    const auto out_bytes = count(from_outside ? "RxBytes" : "TxBytes");
    const auto in_packets = count(from_outside ? "TxPackets" : "RxPackets");
    const auto in_bytes = count(from_outside ? "TxBytes" : "RxBytes");
    const auto dropped = count("RxDropped") + count("TxDropped");
    return fmt::format("out {} packets, {} bytes; in {} packets, {} bytes{}", out_packets,
                       out_bytes, in_packets, in_bytes,
                       dropped == 0 ? "" : fmt::format("; {} dropped", dropped));
}

std::string endpoint_text(const json& endpoint) {
    const json& veth = endpoint.at("Veth");
    const json& bridge = endpoint.at("Bridge");
    std::string text = fmt::format("{} in {}: {} {}\n", endpoint.value("Interface", ""),
                                   endpoint.value("Network", ""), endpoint.value("IPv4Address", ""),
                                   endpoint.value("IPv6Address", ""));
    text += fmt::format("  ↓ veth {}: {}\n", veth.value("Link", ""), counted(veth, true));
    // What a bridge receives, the host gets from it: the containers' way out.
    text += fmt::format("  ↓ bridge {} (gateway {}): {}\n", bridge.value("Link", ""),
                        endpoint.value("Gateway", ""), counted(bridge, true));
    if (endpoint.value("Internal", false)) {
        text += "  ✗ internal: no way further\n";
    } else {
        text += fmt::format(
            "  ↓ {}\n  ↓ the host's routes{}\n",
            endpoint.value("Masquerade", false) ? "NAT: its address becomes the host's"
                                                : "no NAT: it is seen with its own address",
            endpoint.value("Default", false) ? "" : " (another interface has the default route)");
    }
    return text;
}

}  // namespace

std::string trace_text(const json& trace) {
    std::string text;
    if (!trace.value("Running", false)) {
        return fmt::format("{} does not run: it has no network\n", trace.value("Name", ""));
    }
    for (const json& endpoint : trace.at("Endpoints")) {
        text += endpoint_text(endpoint);
    }
    if (trace.at("Endpoints").empty()) {
        text += fmt::format("network {}: no links of its own\n", trace.value("Mode", ""));
    }
    for (const json& port : trace.at("Ports")) {
        const std::string address = port.value("HostAddress", "");
        text += fmt::format("{}:{}/{} of the host → {} → port {} here\n",
                            address.find(':') == std::string::npos ? address : "[" + address + "]",
                            port.at("HostPort").get<int>(), port.value("Protocol", ""),
                            port.value("Way", "NAT"), port.at("ContainerPort").get<int>());
    }
    return text;
}

}  // namespace drydock::cli
