#include <nlohmann/json.hpp>

#include "02-namespaces/capabilities.hpp"
#include "02-namespaces/mount.hpp"
#include "03-cgroups/default_config.hpp"
#include "03-cgroups/hierarchy.hpp"
#include "03-cgroups/state.hpp"

#include "bundle_sections.hpp"
#include "oci_sections.hpp"

namespace drydock {
namespace {

using Json = nlohmann::ordered_json;

Json seccomp_features() {
    return {{"enabled", true},
            {"actions", seccomp_action_names()},
            {"operators", seccomp_operator_names()},
            {"archs", seccomp_architecture_names()},
            {"knownFlags", seccomp_flag_names()},
            {"supportedFlags", seccomp_flag_names()}};
}

}  // namespace

std::string features() {
    const Hierarchy hierarchy = find_hierarchy();
    const bool v1 = hierarchy.kind == HierarchyKind::V1 || hierarchy.kind == HierarchyKind::Hybrid;
    const bool v2 = hierarchy.kind == HierarchyKind::V2 || hierarchy.kind == HierarchyKind::Hybrid;
    Json json;
    json["ociVersionMin"] = "1.0.0";
    json["ociVersionMax"] = kOciVersion;
    json["hooks"] = oci::hook_names();
    json["mountOptions"] = mount_option_names();
    Json& linux_ = json["linux"];
    linux_["namespaces"] = namespace_names();
    linux_["capabilities"] = capability_names(~CapabilitySet{0});
    linux_["cgroup"] = {
        {"v1", v1}, {"v2", v2}, {"systemd", false}, {"systemdUser", false}, {"rdma", v1 || v2}};
    linux_["seccomp"] = seccomp_features();
    // Whether this build can do it, as the specification asks; the machine may have neither.
    linux_["apparmor"] = {{"enabled", true}};
    linux_["selinux"] = {{"enabled", true}};
    linux_["intelRdt"] = {{"enabled", false}};
    linux_["mountExtensions"] = {{"idmap", {{"enabled", true}}}};
    json["annotations"] = Json::object();
    json["potentiallyUnsafeConfigAnnotations"] = Json::array();
    return json.dump(2) + "\n";
}

}  // namespace drydock
