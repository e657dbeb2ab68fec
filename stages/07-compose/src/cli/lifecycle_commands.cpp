// pause, unpause, top, update: what can be done to containers that run.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/cli/container_spec.hpp"
#include "07-compose/cli/format.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

int post_to_each(const Invocation& invocation, const char* summary, std::string_view action) {
    CLI::App app(summary);
    prepare(app, invocation);
    std::vector<std::string> names;
    app.add_option("CONTAINER", names, "name, ID, or the beginning of an ID")
        ->required()
        ->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    return for_each_name(names, invocation.name, [&](const std::string& name) {
        engine.post(path_of({"containers", name, action}));
        return name;
    });
}

struct UpdateFlags {
    std::string memory{};
    std::string memory_swap{};
    std::string memory_reservation{};
    std::string cpus{};
    std::string restart{};
    std::string cpuset_cpus{};
    std::string cpuset_mems{};
    std::int64_t cpu_shares = 0;
    std::int64_t pids = 0;
    std::vector<std::string> names{};
};

void add_update_flags(CLI::App& app, UpdateFlags& flags) {
    app.add_option("-m,--memory", flags.memory, "limit of memory, like 256m")->type_name("BYTES");
    app.add_option("--memory-swap", flags.memory_swap, "memory and swap together; -1: no limit")
        ->type_name("BYTES");
    app.add_option("--memory-reservation", flags.memory_reservation, "kept when memory is short")
        ->type_name("BYTES");
    app.add_option("--cpus", flags.cpus, "limit of CPU time, like 0.5")->type_name("NUMBER");
    app.add_option("-c,--cpu-shares", flags.cpu_shares, "weight, 1024 by default")
        ->type_name("NUMBER");
    app.add_option("--cpuset-cpus", flags.cpuset_cpus, "CPUs it may run on, like 0-3")
        ->type_name("LIST");
    app.add_option("--cpuset-mems", flags.cpuset_mems, "memory nodes it may use")
        ->type_name("LIST");
    app.add_option("--pids-limit", flags.pids, "limit of processes and threads")
        ->type_name("NUMBER");
    app.add_option("--restart", flags.restart, "no, always, unless-stopped, on-failure[:NUMBER]")
        ->type_name("POLICY");
    app.add_option("CONTAINER", flags.names, "name, ID, or the beginning of an ID")
        ->required()
        ->type_name("");
}

json update_body(const UpdateFlags& flags) {
    json body = json::object();
    const auto put_bytes = [&](const char* key, const std::string& text, const char* flag) {
        if (!text.empty()) {
            body[key] = text == "-1" ? -1 : parse_bytes(text, flag);
        }
    };
    put_bytes("Memory", flags.memory, "--memory");
    put_bytes("MemorySwap", flags.memory_swap, "--memory-swap");
    put_bytes("MemoryReservation", flags.memory_reservation, "--memory-reservation");
    if (!flags.cpus.empty()) {
        body["NanoCpus"] = parse_cpus(flags.cpus, "--cpus");
    }
    if (!flags.restart.empty()) {
        const RestartSpec restart = parse_restart(flags.restart, "--restart");
        body["RestartPolicy"] = {{"Name", restart.policy}, {"MaximumRetryCount", restart.retries}};
    }
    body["CpuShares"] = flags.cpu_shares;
    body["PidsLimit"] = flags.pids;
    body["CpusetCpus"] = flags.cpuset_cpus;
    body["CpusetMems"] = flags.cpuset_mems;
    return body;
}

}  // namespace

int run_pause(const Invocation& invocation) {
    return post_to_each(invocation, "Stops all processes of containers where they are", "pause");
}

int run_unpause(const Invocation& invocation) {
    return post_to_each(invocation, "Lets the processes of paused containers go on", "unpause");
}

int run_update(const Invocation& invocation) {
    CLI::App app("Changes the limits and the restart policy of containers");
    prepare(app, invocation);
    UpdateFlags flags;
    add_update_flags(app, flags);
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const std::string body = update_body(flags).dump();
    const Engine engine = invocation.engine();
    return for_each_name(flags.names, invocation.name, [&](const std::string& name) {
        engine.post(path_of({"containers", name, "update"}), {}, body);
        return name;
    });
}

int run_top(const Invocation& invocation) {
    CLI::App app("Shows the processes of a container");
    prepare(app, invocation);
    std::string name;
    std::vector<std::string> arguments;
    app.add_option("CONTAINER", name, "name, ID, or the beginning of an ID")
        ->required()
        ->type_name("");
    app.add_option("PS_OPTIONS", arguments, "for ps(1), instead of -ef")->type_name("");
    app.positionals_at_end();
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    std::string joined;
    for (const std::string& argument : arguments) {
        joined += (joined.empty() ? "" : " ") + argument;
    }
    const json list =
        invocation.engine().get(path_of({"containers", name, "top"}),
                                joined.empty() ? Query{} : Query{{"ps_args", joined}});
    Table table(list.at("Titles").get<std::vector<std::string>>());
    for (const json& row : list.at("Processes")) {
        table.add(row.get<std::vector<std::string>>());
    }
    fmt::print("{}", table.text());
    return 0;
}

}  // namespace drydock::cli
