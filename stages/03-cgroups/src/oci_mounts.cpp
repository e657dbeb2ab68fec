#include "oci_sections.hpp"

namespace drydock::oci {
namespace {

using Node = JsonNode;

constexpr Property<IdMapping> kIdMapping[] = {
    {"containerID", [](const Node& n, IdMapping& m) { m.container_id = n.id(); }, kRequired},
    {"hostID", [](const Node& n, IdMapping& m) { m.host_id = n.id(); }, kRequired},
    {"size",
     [](const Node& n, IdMapping& m) {
         m.size = static_cast<std::uint32_t>(n.number(1, UINT32_MAX));
     },
     kRequired},
};

constexpr Property<Mount> kMount[] = {
    {"destination", [](const Node& n, Mount& m) { m.destination = n.absolute_path(); }, kRequired},
    {"type", [](const Node& n, Mount& m) { m.type = n.text(); }},
    {"source", [](const Node& n, Mount& m) { m.source = n.text(); }},
    {"options", [](const Node& n, Mount& m) { m.options = n.texts(); }},
    {"uidMappings", [](const Node& n, Mount& m) { read_id_mappings(n, m.uid_mappings); }},
    {"gidMappings", [](const Node& n, Mount& m) { read_id_mappings(n, m.gid_mappings); }},
};

}  // namespace

void read_id_mappings(const JsonNode& node, std::vector<IdMapping>& into) {
    constexpr std::size_t kMaxRanges = 340;  // user_namespaces(7)
    node.elements(kMaxRanges, [&](const Node& n) { n.read(kIdMapping, into.emplace_back()); });
}

void read_mounts(const JsonNode& node, std::vector<Mount>& into) {
    // The kernel's own bound on a mount namespace, fs.mount-max.
    constexpr std::size_t kMaxMounts = 100'000;
    node.elements(kMaxMounts, [&](const Node& n) { n.read(kMount, into.emplace_back()); });
}

}  // namespace drydock::oci
