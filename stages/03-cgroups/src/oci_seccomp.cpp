#include "oci_sections.hpp"

namespace drydock::oci {
namespace {

using Node = JsonNode;

std::string action_of(const Node& node) {
    return node.one_of({"SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
                        "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW",
                        "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY"});
}

std::uint32_t return_value(const Node& node) {
    return static_cast<std::uint32_t>(node.number(0, UINT16_MAX));
}

constexpr Property<SeccompArg> kArg[] = {
    {"index",
     [](const Node& n, SeccompArg& a) { a.index = static_cast<std::uint32_t>(n.number(0, 5)); },
     kRequired},
    {"value", [](const Node& n, SeccompArg& a) { a.value = n.number64(); }, kRequired},
    {"valueTwo", [](const Node& n, SeccompArg& a) { a.value_two = n.number64(); }},
    {"op",
     [](const Node& n, SeccompArg& a) {
         a.op = n.one_of({"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE",
                          "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"});
     },
     kRequired},
};

void read_args(const Node& node, SeccompRule& rule) {
    node.elements([&](const Node& n) { n.read(kArg, rule.args.emplace_back()); });
}

void read_names(const Node& node, SeccompRule& rule) {
    rule.names = node.texts();
    if (rule.names.empty()) {
        node.fail("at least one system call");
    }
}

constexpr Property<SeccompRule> kRule[] = {
    {"names", read_names, kRequired},
    {"action", [](const Node& n, SeccompRule& r) { r.action = action_of(n); }, kRequired},
    {"errnoRet", [](const Node& n, SeccompRule& r) { r.errno_ret = return_value(n); }},
    {"args", read_args},
};

void read_rules(const Node& node, Seccomp& seccomp) {
    node.elements([&](const Node& n) { n.read(kRule, seccomp.syscalls.emplace_back()); });
}

void read_flags(const Node& node, Seccomp& seccomp) {
    node.elements([&](const Node& n) {
        seccomp.flags.push_back(
            n.one_of({"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
                      "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}));
    });
}

constexpr Property<Seccomp> kSeccomp[] = {
    {"defaultAction", [](const Node& n, Seccomp& s) { s.default_action = action_of(n); },
     kRequired},
    {"defaultErrnoRet", [](const Node& n, Seccomp& s) { s.default_errno_ret = return_value(n); }},
    {"architectures", [](const Node& n, Seccomp& s) { s.architectures = n.texts(); }},
    {"flags", read_flags},
    {"listenerPath", [](const Node& n, Seccomp& s) { s.listener_path = n.text(); }},
    {"listenerMetadata", [](const Node& n, Seccomp& s) { s.listener_metadata = n.text(); }},
    {"syscalls", read_rules},
};

}  // namespace

void read_seccomp(const JsonNode& node, std::optional<Seccomp>& into) {
    node.read(kSeccomp, into.emplace());
    if (!into->listener_metadata.empty() && into->listener_path.empty()) {
        node.fail("a \"listenerPath\" when there is a \"listenerMetadata\"");
    }
}

}  // namespace drydock::oci
