#include <algorithm>

#include "oci_sections.hpp"

namespace drydock::oci {
namespace {

using Node = JsonNode;

constexpr Property<Namespace> kNamespace[] = {
    {"type",
     [](const Node& n, Namespace& ns) {
         ns.type = n.one_of({"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"});
     },
     kRequired},
    {"path",
     [](const Node& n, Namespace& ns) { ns.path = n.asks_for_nothing() ? "" : n.absolute_path(); }},
};

void read_namespaces(const Node& node, Linux& into) {
    node.elements([&](const Node& element) {
        Namespace ns;
        element.read(kNamespace, ns);
        if (std::ranges::find(into.namespaces, ns.type, &Namespace::type) !=
            into.namespaces.end()) {
            element.fail("each type of namespace once");
        }
        into.namespaces.push_back(std::move(ns));
    });
}

void read_device_type(const Node& node, Device& device) {
    const std::string type = node.one_of({"c", "b", "u", "p"});
    device.type = type == "u" ? 'c' : type.front();
}

constexpr Property<Device> kDevice[] = {
    {"path", [](const Node& n, Device& d) { d.path = n.absolute_path(); }, kRequired},
    {"type", read_device_type, kRequired},
    {"major", [](const Node& n, Device& d) { d.major = n.id(); }},
    {"minor", [](const Node& n, Device& d) { d.minor = n.id(); }},
    {"fileMode",
     [](const Node& n, Device& d) {
         d.file_mode = static_cast<std::uint32_t>(n.number(0, UINT32_MAX));
     }},
    {"uid", [](const Node& n, Device& d) { d.uid = n.id(); }},
    {"gid", [](const Node& n, Device& d) { d.gid = n.id(); }},
};

void read_devices(const Node& node, Linux& into) {
    node.elements([&](const Node& n) { n.read(kDevice, into.devices.emplace_back()); });
}

constexpr Property<TimeOffset> kTimeOffset[] = {
    {"secs", [](const Node& n, TimeOffset& o) { o.secs = n.number(); }},
    {"nanosecs",
     [](const Node& n, TimeOffset& o) {
         o.nanosecs = static_cast<std::uint32_t>(n.number(0, 999'999'999));
     }},
};

void read_time_offsets(const Node& node, Linux& into) {
    node.each([&](const std::string& clock, const Node& n) {
        if (clock != "monotonic" && clock != "boottime") {
            n.fail("\"monotonic\" or \"boottime\" as the name of a clock");
        }
        n.read(kTimeOffset, into.time_offsets[clock]);
    });
}

void read_personality_flags(const Node& node, Personality& /*personality*/) {
    if (!node.asks_for_nothing()) {
        node.fail("no flags: the specification has none yet");
    }
}

constexpr Property<Personality> kPersonality[] = {
    {"domain", [](const Node& n, Personality& p) { p.domain = n.one_of({"LINUX", "LINUX32"}); },
     kRequired},
    {"flags", read_personality_flags},
};

void read_propagation(const Node& node, Linux& into) {
    into.rootfs_propagation = node.one_of({"", "private", "rprivate", "slave", "rslave", "shared",
                                           "rshared", "unbindable", "runbindable"});
}

/// Paths inside the container.
std::vector<std::string> absolute_paths(const Node& node) {
    std::vector<std::string> paths;
    node.elements([&](const Node& n) { paths.push_back(n.absolute_path()); });
    return paths;
}

void refuse_rdt(const Node& node, Linux& /*into*/) {
    if (!node.asks_for_nothing()) {
        node.not_implemented("groups of the resctrl filesystem");
    }
}

constexpr Property<Linux> kLinux[] = {
    {"namespaces", read_namespaces},
    {"uidMappings", [](const Node& n, Linux& l) { read_id_mappings(n, l.uid_mappings); }},
    {"gidMappings", [](const Node& n, Linux& l) { read_id_mappings(n, l.gid_mappings); }},
    {"timeOffsets", read_time_offsets},
    {"devices", read_devices},
    {"cgroupsPath", [](const Node& n, Linux& l) { l.cgroups_path = n.text(); }},
    {"resources",
     [](const Node& n, Linux& l) {
         read_resources(n, l);
         l.limits = without_unlimited(l.limits);
     }},
    {"rootfsPropagation", read_propagation},
    {"seccomp", [](const Node& n, Linux& l) { read_seccomp(n, l.seccomp); }},
    {"sysctl", [](const Node& n, Linux& l) { l.sysctl = n.text_map(); }},
    {"maskedPaths", [](const Node& n, Linux& l) { l.masked_paths = absolute_paths(n); }},
    {"readonlyPaths", [](const Node& n, Linux& l) { l.readonly_paths = absolute_paths(n); }},
    {"mountLabel", [](const Node& n, Linux& l) { l.mount_label = n.text(); }},
    {"personality", [](const Node& n, Linux& l) { n.read(kPersonality, l.personality.emplace()); }},
    {"intelRdt", refuse_rdt},
    {"netDevices", refuse},
    {"memoryPolicy", refuse},
};

}  // namespace

void read_linux(const JsonNode& node, Linux& into) {
    node.read(kLinux, into);
}

}  // namespace drydock::oci
