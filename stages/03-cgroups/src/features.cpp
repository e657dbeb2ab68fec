#include <nlohmann/json.hpp>

#include "02-namespaces/capabilities.hpp"
#include "03-cgroups/default_config.hpp"
#include "03-cgroups/hierarchy.hpp"
#include "03-cgroups/state.hpp"

namespace drydock {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kMountOptions[] = {
    "async",      "atime",         "bind",        "defaults", "dev",         "diratime",
    "dirsync",    "exec",          "noatime",     "nodev",    "nodiratime",  "noexec",
    "norelatime", "nostrictatime", "nosuid",      "private",  "rbind",       "relatime",
    "ro",         "rprivate",      "rshared",     "rslave",   "runbindable", "rw",
    "shared",     "slave",         "strictatime", "suid",     "sync",        "unbindable"};

}  // namespace

std::string features() {
    const Hierarchy hierarchy = find_hierarchy();
    const bool v1 = hierarchy.kind == HierarchyKind::V1 || hierarchy.kind == HierarchyKind::Hybrid;
    const bool v2 = hierarchy.kind == HierarchyKind::V2 || hierarchy.kind == HierarchyKind::Hybrid;
    Json json;
    json["ociVersionMin"] = "1.0.0";
    json["ociVersionMax"] = kOciVersion;
    json["hooks"] = {"prestart",       "createRuntime", "createContainer",
                     "startContainer", "poststart",     "poststop"};
    json["mountOptions"] = kMountOptions;
    Json& linux_ = json["linux"];
    linux_["namespaces"] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};
    linux_["capabilities"] = capability_names(~CapabilitySet{0});
    linux_["cgroup"] = {
        {"v1", v1}, {"v2", v2}, {"systemd", false}, {"systemdUser", false}, {"rdma", v1 || v2}};
    linux_["seccomp"] = {
        {"enabled", true},
        {"actions",
         {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
          "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_TRAP"}},
        {"operators",
         {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
          "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"}},
        {"archs", {"SCMP_ARCH_X86_64"}},
        {"knownFlags", Json::array()},
        {"supportedFlags", Json::array()}};
    linux_["apparmor"] = {{"enabled", false}};
    linux_["selinux"] = {{"enabled", false}};
    linux_["intelRdt"] = {{"enabled", false}};
    linux_["mountExtensions"] = {{"idmap", {{"enabled", false}}}};
    json["annotations"] = Json::object();
    json["potentiallyUnsafeConfigAnnotations"] = Json::array();
    return json.dump(2) + "\n";
}

}  // namespace drydock
