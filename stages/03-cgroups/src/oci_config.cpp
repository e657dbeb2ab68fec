#include "03-cgroups/oci_config.hpp"

#include <algorithm>
#include <cmath>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

#include "json_node.hpp"

namespace drydock::oci {
namespace {

using Node = JsonNode;

/// For what changes nothing here.
void ignore(const Node& /*node*/) {}

std::string absolute_path(const Node& node) {
    std::string path = node.text();
    if (!path.starts_with("/")) {
        node.fail("an absolute path");
    }
    return path;
}

User read_user(const Node& node) {
    User user;
    node.fields(
        {{"uid", [&](const Node& n) { user.uid = n.id(); }},
         {"gid", [&](const Node& n) { user.gid = n.id(); }},
         {"umask",
          [&](const Node& n) { user.umask = static_cast<std::uint32_t>(n.number(0, 0777)); }},
         {"additionalGids",
          [&](const Node& n) {
              n.elements([&](const Node& gid) { user.additional_gids.push_back(gid.id()); });
          }},
         {"username", refuse_unless_empty}});
    return user;
}

Capabilities read_capabilities(const Node& node) {
    Capabilities sets;
    node.fields({{"bounding", [&](const Node& n) { sets.bounding = n.texts(); }},
                 {"effective", [&](const Node& n) { sets.effective = n.texts(); }},
                 {"inheritable", [&](const Node& n) { sets.inheritable = n.texts(); }},
                 {"permitted", [&](const Node& n) { sets.permitted = n.texts(); }},
                 {"ambient", [&](const Node& n) { sets.ambient = n.texts(); }}});
    return sets;
}

Rlimit read_rlimit(const Node& node) {
    Rlimit limit;
    node.fields({{"type", [&](const Node& n) { limit.type = n.text(); }},
                 {"soft", [&](const Node& n) { limit.soft = n.number64(); }},
                 {"hard", [&](const Node& n) { limit.hard = n.number64(); }}});
    if (!limit.type.starts_with("RLIMIT_") || limit.soft > limit.hard) {
        node.fail("a type as RLIMIT_NOFILE, and soft not above hard");
    }
    return limit;
}

Process read_process(const Node& node) {
    Process process;
    node.fields(
        {{"terminal", [&](const Node& n) { process.terminal = n.boolean(); }},
         {"consoleSize", ignore},
         {"cwd", [&](const Node& n) { process.cwd = absolute_path(n); }},
         {"env", [&](const Node& n) { process.env = n.texts(); }},
         {"args", [&](const Node& n) { process.args = n.texts(); }},
         {"user", [&](const Node& n) { process.user = read_user(n); }},
         {"capabilities", [&](const Node& n) { process.capabilities = read_capabilities(n); }},
         {"rlimits",
          [&](const Node& n) {
              n.elements([&](const Node& l) { process.rlimits.push_back(read_rlimit(l)); });
          }},
         {"noNewPrivileges", [&](const Node& n) { process.no_new_privileges = n.boolean(); }},
         {"oomScoreAdj", refuse_unless_empty},
         {"apparmorProfile", refuse_unless_empty},
         {"selinuxLabel", refuse_unless_empty},
         {"ioPriority", refuse_unless_empty},
         {"scheduler", refuse_unless_empty},
         {"execCPUAffinity", refuse_unless_empty}});
    if (process.args.empty() || process.args.front().empty()) {
        node.fail("\"args\" with a command");
    }
    if (process.cwd.empty()) {
        node.fail("\"cwd\", an absolute path");
    }
    return process;
}

Root read_root(const Node& node) {
    Root root;
    node.fields({{"path", [&](const Node& n) { root.path = n.text(); }},
                 {"readonly", [&](const Node& n) { root.readonly = n.boolean(); }}});
    if (root.path.empty()) {
        node.fail("\"path\", a directory");
    }
    return root;
}

Mount read_mount(const Node& node) {
    Mount mount;
    node.fields({{"destination", [&](const Node& n) { mount.destination = absolute_path(n); }},
                 {"type", [&](const Node& n) { mount.type = n.text(); }},
                 {"source", [&](const Node& n) { mount.source = n.text(); }},
                 {"options", [&](const Node& n) { mount.options = n.texts(); }},
                 {"uidMappings", refuse_unless_empty},
                 {"gidMappings", refuse_unless_empty}});
    if (mount.destination.empty()) {
        node.fail("\"destination\", an absolute path");
    }
    return mount;
}

void read_namespaces(const Node& node, std::vector<Namespace>& namespaces) {
    node.elements([&](const Node& element) {
        Namespace ns;
        element.fields({{"type", [&](const Node& n) { ns.type = n.text(); }},
                        {"path", [&](const Node& n) {
                             ns.path = n.asks_for_nothing() ? "" : absolute_path(n);
                         }}});
        if (std::ranges::find(namespaces, ns.type, &Namespace::type) != namespaces.end()) {
            element.fail("each type of namespace once");
        }
        namespaces.push_back(std::move(ns));
    });
}

void read_id_mappings(const Node& node, std::vector<IdMapping>& mappings) {
    node.elements([&](const Node& element) {
        IdMapping mapping;
        element.fields({{"containerID", [&](const Node& n) { mapping.container_id = n.id(); }},
                        {"hostID", [&](const Node& n) { mapping.host_id = n.id(); }},
                        {"size", [&](const Node& n) {
                             mapping.size = static_cast<std::uint32_t>(n.number(1, UINT32_MAX));
                         }}});
        if (mapping.size == 0) {
            element.fail("\"size\", at least 1");
        }
        mappings.push_back(mapping);
    });
}

DeviceRule read_device_rule(const Node& node) {
    DeviceRule rule;
    node.fields({{"allow", [&](const Node& n) { rule.allow = n.boolean(); }},
                 {"type",
                  [&](const Node& n) {
                      const std::string type = n.text();
                      if (type != "" && type != "a" && type != "b" && type != "c") {
                          n.fail("\"a\", \"b\" or \"c\"");
                      }
                      rule.type = type.empty() ? 'a' : type.front();
                  }},
                 {"major", [&](const Node& n) { rule.major = n.number(-1); }},
                 {"minor", [&](const Node& n) { rule.minor = n.number(-1); }},
                 {"access", [&](const Node& n) {
                      rule.access = n.text();
                      if (rule.access.empty() ||
                          rule.access.find_first_not_of("rwm") != std::string::npos) {
                          n.fail("letters of \"rwm\"");
                      }
                  }}});
    if (rule.type == 'a' && (rule.access.size() < 3 || rule.major >= 0 || rule.minor >= 0)) {
        node.not_implemented(
            "a rule for both block and character devices that is not for all of them");
    }
    return rule;
}

Device read_device(const Node& node) {
    Device device;
    node.fields({{"path", [&](const Node& n) { device.path = absolute_path(n); }},
                 {"type",
                  [&](const Node& n) {
                      const std::string type = n.text();
                      if (type != "c" && type != "b" && type != "u" && type != "p") {
                          n.fail("\"c\", \"b\", \"u\" or \"p\"");
                      }
                      device.type = type == "u" ? 'c' : type.front();
                  }},
                 {"major", [&](const Node& n) { device.major = n.id(); }},
                 {"minor", [&](const Node& n) { device.minor = n.id(); }},
                 {"fileMode", [&](const Node& n) { device.file_mode = n.id(); }},
                 {"uid", [&](const Node& n) { device.uid = n.id(); }},
                 {"gid", [&](const Node& n) { device.gid = n.id(); }}});
    return device;
}

/// 0 and -1 ask for no limit.
std::optional<std::int64_t> limit_of(const Node& node) {
    const std::int64_t value = node.number(-1);
    return value > 0 ? std::optional(value) : std::nullopt;
}

void read_memory(const Node& node, Limits& limits) {
    node.fields({{"limit", [&](const Node& n) { limits.memory_bytes = limit_of(n); }},
                 {"swap",
                  [&](const Node& n) {
                      if (const std::int64_t value = n.number(-1); value != 0) {
                          limits.memory_swap_bytes = value;
                      }
                  }},
                 {"reservation", refuse_unless_empty},
                 {"kernel", refuse_unless_empty},
                 {"kernelTCP", refuse_unless_empty},
                 {"swappiness", refuse_unless_empty},
                 {"disableOOMKiller", refuse_unless_empty},
                 {"useHierarchy", ignore},
                 {"checkBeforeUpdate", ignore}});
}

void read_cpu(const Node& node, Limits& limits) {
    std::optional<std::int64_t> quota_us;
    node.fields({{"shares", [&](const Node& n) { limits.cpu_shares = limit_of(n); }},
                 {"quota", [&](const Node& n) { quota_us = limit_of(n); }},
                 {"period",
                  [&](const Node& n) {
                      limits.cpu_period_us = limit_of(n).value_or(limits.cpu_period_us);
                  }},
                 {"burst", refuse_unless_empty},
                 {"realtimeRuntime", refuse_unless_empty},
                 {"realtimePeriod", refuse_unless_empty},
                 {"cpus", refuse_unless_empty},
                 {"mems", refuse_unless_empty},
                 {"idle", refuse_unless_empty}});
    if (quota_us) {
        limits.nano_cpus = std::llround(static_cast<double>(*quota_us) * 1e9 /
                                        static_cast<double>(limits.cpu_period_us));
    }
}

void read_resources(const Node& node, Linux& result) {
    node.fields({{"devices",
                  [&](const Node& n) {
                      n.elements([&](const Node& rule) {
                          result.device_rules.push_back(read_device_rule(rule));
                      });
                  }},
                 {"memory", [&](const Node& n) { read_memory(n, result.limits); }},
                 {"cpu", [&](const Node& n) { read_cpu(n, result.limits); }},
                 {"pids",
                  [&](const Node& n) {
                      n.fields({{"limit", [&](const Node& limit) {
                                     result.limits.pids = limit_of(limit);
                                 }}});
                  }},
                 {"blockIO", refuse_unless_empty},
                 {"hugepageLimits", refuse_unless_empty},
                 {"network", refuse_unless_empty},
                 {"rdma", refuse_unless_empty},
                 {"unified", refuse_unless_empty}});
    try {
        check_limits(result.limits);
    } catch (const InputError& e) {
        node.fail(e.what());
    }
}

SeccompArg read_seccomp_arg(const Node& node) {
    SeccompArg arg;
    node.fields(
        {{"index", [&](const Node& n) { arg.index = static_cast<std::uint32_t>(n.number(0, 5)); }},
         {"value", [&](const Node& n) { arg.value = n.number64(); }},
         {"valueTwo", [&](const Node& n) { arg.value_two = n.number64(); }},
         {"op", [&](const Node& n) { arg.op = n.text(); }}});
    return arg;
}

SeccompRule read_seccomp_rule(const Node& node) {
    SeccompRule rule;
    node.fields(
        {{"names", [&](const Node& n) { rule.names = n.texts(); }},
         {"action", [&](const Node& n) { rule.action = n.text(); }},
         {"errnoRet",
          [&](const Node& n) { rule.errno_ret = static_cast<std::uint32_t>(n.number(0, 4095)); }},
         {"args", [&](const Node& n) {
              n.elements([&](const Node& arg) { rule.args.push_back(read_seccomp_arg(arg)); });
          }}});
    if (rule.names.empty() || rule.action.empty()) {
        node.fail("\"names\" and \"action\"");
    }
    return rule;
}

Seccomp read_seccomp(const Node& node) {
    Seccomp seccomp;
    node.fields({{"defaultAction", [&](const Node& n) { seccomp.default_action = n.text(); }},
                 {"defaultErrnoRet",
                  [&](const Node& n) {
                      seccomp.default_errno_ret = static_cast<std::uint32_t>(n.number(0, 4095));
                  }},
                 {"architectures", [&](const Node& n) { seccomp.architectures = n.texts(); }},
                 {"flags",
                  [&](const Node& n) {
                      n.asks_for_nothing() ? void() : n.warn("not implemented, ignored");
                  }},
                 {"listenerPath", refuse_unless_empty},
                 {"listenerMetadata", refuse_unless_empty},
                 {"syscalls", [&](const Node& n) {
                      n.elements([&](const Node& rule) {
                          seccomp.syscalls.push_back(read_seccomp_rule(rule));
                      });
                  }}});
    if (seccomp.default_action.empty()) {
        node.fail("\"defaultAction\"");
    }
    return seccomp;
}

void check_propagation(const Node& node) {
    const std::string value = node.text();
    if (value == "shared" || value == "rshared" || value == "unbindable" ||
        value == "runbindable") {
        node.not_implemented(value);
    }
    if (value != "" && value != "private" && value != "rprivate" && value != "slave" &&
        value != "rslave") {
        node.fail("\"private\" or \"slave\"");
    }
}

Linux read_linux(const Node& node) {
    Linux result;
    node.fields({{"namespaces", [&](const Node& n) { read_namespaces(n, result.namespaces); }},
                 {"uidMappings", [&](const Node& n) { read_id_mappings(n, result.uid_mappings); }},
                 {"gidMappings", [&](const Node& n) { read_id_mappings(n, result.gid_mappings); }},
                 {"maskedPaths", [&](const Node& n) { result.masked_paths = n.texts(); }},
                 {"readonlyPaths", [&](const Node& n) { result.readonly_paths = n.texts(); }},
                 {"cgroupsPath", [&](const Node& n) { result.cgroups_path = n.text(); }},
                 {"resources", [&](const Node& n) { read_resources(n, result); }},
                 {"devices",
                  [&](const Node& n) {
                      n.elements([&](const Node& d) { result.devices.push_back(read_device(d)); });
                  }},
                 {"sysctl", [&](const Node& n) { result.sysctl = n.text_map(); }},
                 {"seccomp", [&](const Node& n) { result.seccomp = read_seccomp(n); }},
                 {"rootfsPropagation", check_propagation},
                 {"mountLabel", refuse_unless_empty},
                 {"intelRdt", refuse_unless_empty},
                 {"personality", refuse_unless_empty},
                 {"timeOffsets", refuse_unless_empty},
                 {"netDevices", refuse_unless_empty},
                 {"memoryPolicy", refuse_unless_empty}});
    return result;
}

nlohmann::json parsed(std::string_view text, const std::string& name) {
    try {
        return nlohmann::json::parse(text);
    } catch (const nlohmann::json::parse_error& e) {
        // "[json.exception.parse_error.101] parse error at line 3, column 7: ..."
        const std::string_view what = e.what();
        throw InputError(
            fmt::format("{}: {}", name, what.substr(std::min(what.find("] ") + 2, what.size()))));
    }
}

}  // namespace

ReadConfig parse_config(std::string_view text, const std::string& name) {
    const nlohmann::json document = parsed(text, name);
    ReadConfig result;
    Config& config = result.config;
    const Node node(document, name, result.warnings);
    node.fields({{"ociVersion", [&](const Node& n) { config.oci_version = n.text(); }},
                 {"process", [&](const Node& n) { config.process = read_process(n); }},
                 {"root", [&](const Node& n) { config.root = read_root(n); }},
                 {"hostname", [&](const Node& n) { config.hostname = n.text(); }},
                 {"mounts",
                  [&](const Node& n) {
                      n.elements([&](const Node& m) { config.mounts.push_back(read_mount(m)); });
                  }},
                 {"annotations", [&](const Node& n) { config.annotations = n.text_map(); }},
                 {"linux", [&](const Node& n) { config.linux_ = read_linux(n); }},
                 {"domainname", refuse_unless_empty},
                 {"hooks",
                  [](const Node& n) {
                      n.fields({{"prestart", refuse_unless_empty},
                                {"createRuntime", refuse_unless_empty},
                                {"createContainer", refuse_unless_empty},
                                {"startContainer", refuse_unless_empty},
                                {"poststart", refuse_unless_empty},
                                {"poststop", refuse_unless_empty}});
                  }},
                 {"vm", refuse_unless_empty},
                 {"solaris", refuse_unless_empty},
                 {"windows", refuse_unless_empty}});
    if (!config.oci_version.starts_with("1.")) {
        node.fail("\"ociVersion\" 1.x");
    }
    if (config.process.args.empty()) {
        node.fail("\"process\"");
    }
    if (config.root.path.empty()) {
        node.fail("\"root\"");
    }
    return result;
}

ReadConfig read_bundle(const std::filesystem::path& bundle) {
    const std::filesystem::path file = bundle / "config.json";
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file, ignored)) {
        throw InputError(fmt::format(
            "{}: no such file; expected an OCI bundle, a directory that holds one", file.native()));
    }
    return parse_config(read_file(file, kMaxConfigBytes), file.native());
}

}  // namespace drydock::oci
