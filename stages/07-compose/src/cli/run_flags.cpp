#include "run_flags.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock::cli {
namespace {

void add_life_flags(CLI::App& app, RunFlags& flags) {
    app.add_option("--restart", flags.restart,
                   "at its end: no, always, unless-stopped, on-failure[:NUMBER]")
        ->type_name("POLICY");
    app.add_option("--stop-signal", flags.spec.stop_signal, "what asks it to end (SIGTERM)")
        ->type_name("SIGNAL");
    app.add_option("--stop-timeout", flags.stop_timeout, "seconds from there to SIGKILL (10)")
        ->type_name("SECONDS");
    app.add_option("--health-cmd", flags.health_cmd, "a shell command that says whether it works")
        ->type_name("COMMAND");
    app.add_option("--health-interval", flags.health_interval, "how often (30s)")
        ->type_name("TIME");
    app.add_option("--health-timeout", flags.health_timeout, "how long it may take (30s)")
        ->type_name("TIME");
    app.add_option("--health-retries", flags.health_retries,
                   "failures in a row that make it unhealthy (3)")
        ->type_name("NUMBER");
    app.add_option("--health-start-period", flags.health_start_period,
                   "in which failures do not count (0s)")
        ->type_name("TIME");
    app.add_option("--health-start-interval", flags.health_start_interval,
                   "how often in that time (5s)")
        ->type_name("TIME");
    app.add_flag("--no-healthcheck", flags.no_healthcheck, "not even the image's");
}

void finish_life_flags(RunFlags& flags, const CLI::App& app) {
    ContainerSpec& spec = flags.spec;
    if (!flags.restart.empty()) {
        spec.restart = parse_restart(flags.restart, "--restart");
    }
    if (app.count("--stop-timeout") > 0) {
        spec.stop_timeout = flags.stop_timeout;
    }
    HealthSpec health{.retries = flags.health_retries};
    if (flags.no_healthcheck) {
        health.test = {"NONE"};
    } else if (!flags.health_cmd.empty()) {
        health.test = {"CMD-SHELL", flags.health_cmd};
    }
    const auto take = [](std::int64_t& into, const std::string& text, const char* flag) {
        into = text.empty() ? 0 : parse_duration(text, flag);
    };
    take(health.interval, flags.health_interval, "--health-interval");
    take(health.timeout, flags.health_timeout, "--health-timeout");
    take(health.start_period, flags.health_start_period, "--health-start-period");
    take(health.start_interval, flags.health_start_interval, "--health-start-interval");
    if (!health.test.empty() || health.interval + health.timeout + health.start_period +
                                        health.start_interval + health.retries >
                                    0) {
        spec.health = std::move(health);
    }
}

/// What counts in a file of variables or labels: no empty lines, none that begin with "#".
std::vector<std::string> lines_of(const std::string& file) {
    std::vector<std::string> lines;
    const std::string text = read_file(file);
    for (std::string_view rest = text; !rest.empty();) {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const auto begin = line.find_first_not_of(" \t");
        line = begin == std::string_view::npos ? "" : line.substr(begin);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (!line.empty() && line.front() != '#') {
            lines.emplace_back(line);
        }
    }
    return lines;
}

}  // namespace

void add_run_flags(CLI::App& app, RunFlags& flags) {
    ContainerSpec& spec = flags.spec;
    app.add_option("--name", spec.name, "name of the container; made up when not given");
    add_list(app, "-e,--env", flags.env, "set a variable (NAME alone: take ours)")
        ->type_name("NAME=VALUE");
    app.add_option("-w,--workdir", spec.workdir, "working directory")->type_name("DIR");
    app.add_option("-u,--user", spec.user, "user, and group, that the command runs as")
        ->type_name("USER[:GROUP]");
    app.add_option("-h,--hostname", spec.hostname, "what the container calls itself")
        ->type_name("NAME");
    app.add_option("-m,--memory", flags.memory, "limit of memory, like 256m")->type_name("BYTES");
    app.add_option("--cpus", flags.cpus, "limit of CPU time, like 0.5")->type_name("NUMBER");
    app.add_option("--pids-limit", spec.pids, "limit of processes and threads")
        ->type_name("NUMBER");
    app.add_option("--pull", flags.pull, "fetch IMAGE first: always, missing (the default), never")
        ->type_name("WHEN");
    app.add_flag("-q,--quiet", spec.quiet_pull, "say nothing of that");
    app.add_option("--platform", spec.platform, "the machine that IMAGE is for, like linux/amd64")
        ->type_name("OS/ARCHITECTURE");
    add_network_flags(app, flags.network);
    add_isolation_flags(app, flags.isolation);
    add_list(app, "--env-file", flags.env_files, "a file with a variable on each line")
        ->type_name("FILE");
    add_list(app, "--label-file", flags.label_files, "a file with a label on each line")
        ->type_name("FILE");
    add_list(app, "-l,--label", flags.labels, "note something on the container")
        ->type_name("KEY=VALUE");
    app.add_option("--entrypoint", flags.entrypoint, "program to run, in place of the image's")
        ->type_name("PROGRAM");
    app.add_flag("--read-only", spec.read_only, "no writing to the root file system");
    app.add_flag("--init", spec.init, "a first process that reaps and passes signals on");
    app.add_flag("--rm", spec.auto_remove, "remove the container when it ends");
    app.add_option("--cidfile", flags.cidfile, "write the container's ID to this file")
        ->type_name("FILE");
    app.add_flag("-i,--interactive", flags.interactive, "keep standard input open");
    app.add_flag("-t,--tty", flags.terminal, "give it a terminal");
    add_list(app, "-a,--attach", flags.attach, "only these of its streams are ours")
        ->type_name("stdin|stdout|stderr");
    app.add_flag("--sig-proxy,!--no-sig-proxy", flags.pass_signals,
                 "pass the signals that we get on to it (=false: they are for us)");
    app.add_option("--detach-keys", flags.detach_keys, "keys that leave it (ctrl-p,ctrl-q)")
        ->type_name("KEYS");
    add_life_flags(app, flags);
    add_list(app, "-v,--volume", spec.volumes,
             "show it a directory of ours or a volume: SOURCE:PLACE[:ro]")
        ->type_name("VOLUME");
    add_list(app, "--mount", spec.mounts, "the same in words: type=bind,src=…,dst=…,ro")
        ->type_name("MOUNT");
    add_list(app, "--tmpfs", spec.tmpfs, "an empty directory in memory")
        ->type_name("PLACE[:OPTIONS]");
    add_list(app, "--volumes-from", spec.volumes_from, "the mounts of another container")
        ->type_name("CONTAINER[:ro]");
    app.add_flag("--explain", spec.explain,
                 "print each step of its start, with its system calls, to stderr");
    add_list(app, "--without", spec.without, "leave out a step, to see what breaks")
        ->type_name("STEP");
    app.add_option("IMAGE", spec.image, "an image; pulled when it is not here")
        ->required()
        ->type_name("");
    app.add_option("COMMAND", spec.command,
                   "the command and its arguments, in place of the image's")
        ->type_name("");
    // What stands behind IMAGE belongs to the command, also when it looks like a flag of ours.
    app.positionals_at_end();
}

void finish_run_flags(RunFlags& flags, const CLI::App& app) {
    ContainerSpec& spec = flags.spec;
    spec.pull = parse_pull_policy(flags.pull, "--pull");
    finish_network_flags(flags.network, spec);
    finish_isolation_flags(flags.isolation, spec);
    spec.streams = {.interactive = flags.interactive, .tty = flags.terminal};
    for (const std::string& file : flags.env_files) {
        for (const std::string& text : lines_of(file)) {
            if (auto variable = parse_env(text, file)) {
                spec.env.push_back(std::move(*variable));
            }
        }
    }
    for (const std::string& file : flags.label_files) {
        for (const std::string& text : lines_of(file)) {
            spec.labels.insert_or_assign(parse_pair(text, file).first,
                                         parse_pair(text, file).second);
        }
    }
    for (const std::string& text : flags.env) {
        if (auto variable = parse_env(text, "--env")) {
            spec.env.push_back(std::move(*variable));
        }
    }
    for (const std::string& label : flags.labels) {
        const auto equals = label.find('=');
        spec.labels[label.substr(0, equals)] =
            equals == std::string::npos ? "" : label.substr(equals + 1);
    }
    if (app.count("--entrypoint") > 0) {
        spec.entrypoint = std::vector{flags.entrypoint};
    }
    finish_life_flags(flags, app);
    if (!flags.memory.empty()) {
        spec.memory_bytes = parse_bytes(flags.memory, "--memory");
    }
    if (!flags.cpus.empty()) {
        spec.nano_cpus = parse_cpus(flags.cpus, "--cpus");
    }
}

AttachedStreams attached_streams(const RunFlags& flags) {
    if (flags.attach.empty()) {
        return {
            .in = flags.interactive && !flags.detach, .out = !flags.detach, .err = !flags.detach};
    }
    AttachedStreams streams{.in = false, .out = false, .err = false};
    for (const std::string& text : flags.attach) {
        std::string name = text;
        std::ranges::transform(name, name.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        if (name == "stdin") {
            streams.in = flags.interactive;
        } else if (name == "stdout") {
            streams.out = true;
        } else if (name == "stderr") {
            streams.err = true;
        } else {
            throw InputError(
                fmt::format("--attach \"{}\": expected stdin, stdout or stderr", text));
        }
    }
    return streams;
}

}  // namespace drydock::cli
