#include <algorithm>

#include <fmt/format.h>

#include "oci_sections.hpp"

namespace drydock::oci {
namespace {

using Node = JsonNode;

template <class Number>
Number whole(const Node& node, std::int64_t least, std::int64_t most) {
    return static_cast<Number>(node.number(least, most));
}

void read_groups(const Node& node, User& user) {
    constexpr std::size_t kMaxGroups = 65536;  // NGROUPS_MAX
    node.elements(kMaxGroups, [&](const Node& n) { user.additional_gids.push_back(n.id()); });
}

constexpr Property<User> kUser[] = {
    {"uid", [](const Node& n, User& u) { u.uid = n.id(); }},
    {"gid", [](const Node& n, User& u) { u.gid = n.id(); }},
    {"umask", [](const Node& n, User& u) { u.umask = whole<std::uint32_t>(n, 0, 0777); }},
    {"additionalGids", read_groups},
    // Of Windows; runtimes for Linux have to ignore it.
    {"username", ignore},
};

constexpr Property<Capabilities> kCapabilities[] = {
    {"bounding", [](const Node& n, Capabilities& c) { c.bounding = n.texts(); }},
    {"effective", [](const Node& n, Capabilities& c) { c.effective = n.texts(); }},
    {"inheritable", [](const Node& n, Capabilities& c) { c.inheritable = n.texts(); }},
    {"permitted", [](const Node& n, Capabilities& c) { c.permitted = n.texts(); }},
    {"ambient", [](const Node& n, Capabilities& c) { c.ambient = n.texts(); }},
};

constexpr Property<Rlimit> kRlimit[] = {
    {"type", [](const Node& n, Rlimit& l) { l.type = n.text(); }, kRequired},
    {"soft", [](const Node& n, Rlimit& l) { l.soft = n.number64(); }, kRequired},
    {"hard", [](const Node& n, Rlimit& l) { l.hard = n.number64(); }, kRequired},
};

void read_rlimits(const Node& node, Process& process) {
    node.elements([&](const Node& element) {
        Rlimit limit;
        element.read(kRlimit, limit);
        if (!limit.type.starts_with("RLIMIT_") || limit.soft > limit.hard) {
            element.fail("a type as RLIMIT_NOFILE, and soft not above hard");
        }
        if (std::ranges::find(process.rlimits, limit.type, &Rlimit::type) !=
            process.rlimits.end()) {
            element.fail("each type of limit once");
        }
        process.rlimits.push_back(std::move(limit));
    });
}

constexpr Property<ConsoleSize> kConsoleSize[] = {
    {"height",
     [](const Node& n, ConsoleSize& s) { s.height = whole<std::uint16_t>(n, 0, UINT16_MAX); },
     kRequired},
    {"width",
     [](const Node& n, ConsoleSize& s) { s.width = whole<std::uint16_t>(n, 0, UINT16_MAX); },
     kRequired},
};

constexpr Property<IoPriority> kIoPriority[] = {
    {"class",
     [](const Node& n, IoPriority& p) {
         p.class_ = n.one_of({"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"});
     },
     kRequired},
    {"priority", [](const Node& n, IoPriority& p) { p.priority = whole<int>(n, 0, 7); }, kRequired},
};

void read_scheduler_flags(const Node& node, Scheduler& scheduler) {
    node.elements([&](const Node& n) {
        scheduler.flags.push_back(
            n.one_of({"SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN",
                      "SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS",
                      "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"}));
    });
}

constexpr Property<Scheduler> kScheduler[] = {
    {"policy",
     [](const Node& n, Scheduler& s) {
         s.policy = n.one_of({"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO",
                              "SCHED_IDLE", "SCHED_DEADLINE"});
     },
     kRequired},
    {"nice", [](const Node& n, Scheduler& s) { s.nice = whole<int>(n, -20, 19); }},
    {"priority", [](const Node& n, Scheduler& s) { s.priority = whole<int>(n, 0, 99); }},
    {"flags", read_scheduler_flags},
    {"runtime", [](const Node& n, Scheduler& s) { s.runtime = n.number64(); }},
    {"deadline", [](const Node& n, Scheduler& s) { s.deadline = n.number64(); }},
    {"period", [](const Node& n, Scheduler& s) { s.period = n.number64(); }},
};

constexpr Property<ExecCpuAffinity> kExecCpuAffinity[] = {
    {"initial", [](const Node& n, ExecCpuAffinity& a) { a.initial = n.text(); }},
    {"final", [](const Node& n, ExecCpuAffinity& a) { a.final_ = n.text(); }},
};

void read_args(const Node& node, Process& process) {
    process.args = node.texts();
    if (process.args.empty() || process.args.front().empty()) {
        node.fail("a command");
    }
}

constexpr Property<Process> kProcess[] = {
    {"terminal", [](const Node& n, Process& p) { p.terminal = n.boolean(); }},
    {"consoleSize",
     [](const Node& n, Process& p) { n.read(kConsoleSize, p.console_size.emplace()); }},
    {"cwd", [](const Node& n, Process& p) { p.cwd = n.absolute_path(); }, kRequired},
    {"env", [](const Node& n, Process& p) { p.env = n.texts(); }},
    {"args", read_args, kRequired},
    {"user", [](const Node& n, Process& p) { n.read(kUser, p.user); }},
    {"capabilities",
     [](const Node& n, Process& p) { n.read(kCapabilities, p.capabilities.emplace()); }},
    {"rlimits", read_rlimits},
    {"noNewPrivileges", [](const Node& n, Process& p) { p.no_new_privileges = n.boolean(); }},
    {"oomScoreAdj",
     [](const Node& n, Process& p) { p.oom_score_adj = whole<int>(n, -1000, 1000); }},
    {"ioPriority", [](const Node& n, Process& p) { n.read(kIoPriority, p.io_priority.emplace()); }},
    {"scheduler", [](const Node& n, Process& p) { n.read(kScheduler, p.scheduler.emplace()); }},
    {"execCPUAffinity",
     [](const Node& n, Process& p) { n.read(kExecCpuAffinity, p.exec_cpu_affinity); }},
    {"apparmorProfile", [](const Node& n, Process& p) { p.apparmor_profile = n.text(); }},
    {"selinuxLabel", [](const Node& n, Process& p) { p.selinux_label = n.text(); }},
    {"commandLine", ignore},  // of Windows
};

}  // namespace

void read_process(const JsonNode& node, Process& into) {
    node.read(kProcess, into);
}

}  // namespace drydock::oci
