#include "isolation_flags.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

void add_privilege_flags(CLI::App& app, IsolationSpec& spec) {
    app.add_flag("--privileged", spec.privileged, "it may do whatever the daemon may");
    add_list(app, "--cap-add", spec.cap_add, "give it a capability, or ALL")->type_name("NAME");
    add_list(app, "--cap-drop", spec.cap_drop, "take a capability away, or ALL")->type_name("NAME");
    add_list(app, "--security-opt", spec.security,
             "no-new-privileges, seccomp=unconfined, seccomp=FILE, systempaths=unconfined, …")
        ->type_name("OPTION");
    add_list(app, "--device", spec.devices, "let it use a device of the host")
        ->type_name("PATH[:PATH[:rwm]]");
    add_list(app, "--device-cgroup-rule", spec.device_rules,
             "let it use devices by their numbers, like 'c 42:* rmw'")
        ->type_name("RULE");
    add_list(app, "--group-add", spec.groups, "one more group for its user")->type_name("GROUP");
    add_list(app, "--ulimit", spec.ulimits, "a limit of each process, like nofile=1024:2048")
        ->type_name("NAME=SOFT[:HARD]");
}

void add_namespace_flags(CLI::App& app, IsolationFlags& flags) {
    IsolationSpec& spec = flags.spec;
    app.add_option("--pid", spec.pid, "whose processes it sees: host, container:NAME")
        ->type_name("MODE");
    app.add_option("--ipc", spec.ipc,
                   "whose shared memory: private, shareable, container:NAME, host, none")
        ->type_name("MODE");
    app.add_option("--uts", spec.uts, "whose host name: host")->type_name("MODE");
    app.add_option("--userns", spec.userns, "whose user IDs: host")->type_name("MODE");
    app.add_option("--cgroupns", spec.cgroupns, "whose cgroups it sees: private")
        ->type_name("MODE");
    app.add_option("--cgroup-parent", spec.cgroup_parent, "the cgroup that its own is below")
        ->type_name("PATH");
    app.add_option("--shm-size", flags.shm_size, "size of /dev/shm (64m)")->type_name("BYTES");
    add_list(app, "--sysctl", flags.sysctls, "a setting of the kernel for it alone")
        ->type_name("KEY=VALUE");
    app.add_option("--runtime", spec.runtime, "drydock is all there is")->type_name("NAME");
}

void add_resource_flags(CLI::App& app, IsolationFlags& flags) {
    IsolationSpec& spec = flags.spec;
    app.add_option("--memory-reservation", flags.memory_reservation, "kept when memory is short")
        ->type_name("BYTES");
    app.add_option("--memory-swap", flags.memory_swap, "memory and swap together; -1: no limit")
        ->type_name("BYTES");
    app.add_option("--memory-swappiness", flags.swappiness, "0 to 100")->type_name("NUMBER");
    app.add_flag("--oom-kill-disable", spec.oom_kill_disable, "wait for memory, do not kill");
    app.add_option("--oom-score-adj", spec.oom_score_adj, "-1000 (killed last) to 1000 (first)")
        ->type_name("NUMBER");
    app.add_option("-c,--cpu-shares", spec.cpu_shares, "weight against others (1024)")
        ->type_name("NUMBER");
    app.add_option("--cpu-period", spec.cpu_period, "microseconds in which --cpu-quota holds")
        ->type_name("NUMBER");
    app.add_option("--cpu-quota", spec.cpu_quota, "microseconds of CPU time in each period")
        ->type_name("NUMBER");
    app.add_option("--cpuset-cpus", spec.cpuset_cpus, "the CPUs it may use, like 0-2,4")
        ->type_name("LIST");
    app.add_option("--cpuset-mems", spec.cpuset_mems, "the memory nodes it may use")
        ->type_name("LIST");
    app.add_option("--blkio-weight", spec.io_weight, "weight of its block I/O, 10 to 1000")
        ->type_name("NUMBER");
    add_list(app, "--blkio-weight-device", spec.io_weights, "the same for one device")
        ->type_name("DEVICE:NUMBER");
    add_list(app, "--device-read-bps", spec.io_read_bytes, "most bytes read a second")
        ->type_name("DEVICE:BYTES");
    add_list(app, "--device-write-bps", spec.io_write_bytes, "most bytes written a second")
        ->type_name("DEVICE:BYTES");
    add_list(app, "--device-read-iops", spec.io_reads, "most reads a second")
        ->type_name("DEVICE:NUMBER");
    add_list(app, "--device-write-iops", spec.io_writes, "most writes a second")
        ->type_name("DEVICE:NUMBER");
}

void take_pairs(std::map<std::string, std::string>& into, const std::vector<std::string>& texts,
                const char* flag) {
    for (const std::string& text : texts) {
        into.insert(parse_pair(text, flag));
    }
}

}  // namespace

void add_isolation_flags(CLI::App& app, IsolationFlags& flags) {
    add_privilege_flags(app, flags.spec);
    add_namespace_flags(app, flags);
    add_resource_flags(app, flags);
    app.add_option("--log-driver", flags.spec.log_driver, "json-file is all there is")
        ->type_name("NAME");
    add_list(app, "--log-opt", flags.log_options, "max-size=10m, max-file=3")
        ->type_name("KEY=VALUE");
    add_list(app, "--annotation", flags.annotations, "note something for the runtime")
        ->type_name("KEY=VALUE");
    add_list(app, "--storage-opt", flags.storage, "not there yet")->type_name("KEY=VALUE");
}

void finish_isolation_flags(const IsolationFlags& flags, ContainerSpec& spec) {
    spec.isolation = flags.spec;
    IsolationSpec& into = spec.isolation;
    const auto bytes = [](const std::string& text, const char* flag) {
        return text.empty() ? 0 : parse_bytes(text, flag);
    };
    into.shm_bytes = bytes(flags.shm_size, "--shm-size");
    into.memory_reservation = bytes(flags.memory_reservation, "--memory-reservation");
    into.memory_swap = flags.memory_swap == "-1" ? -1 : bytes(flags.memory_swap, "--memory-swap");
    if (flags.swappiness != -1) {
        into.swappiness = flags.swappiness;
    }
    take_pairs(into.sysctls, flags.sysctls, "--sysctl");
    take_pairs(into.annotations, flags.annotations, "--annotation");
    take_pairs(into.log_options, flags.log_options, "--log-opt");
    take_pairs(into.storage, flags.storage, "--storage-opt");
}

}  // namespace drydock::cli
