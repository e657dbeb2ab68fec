// More commands in a container: exec. The shim runs them (03-cgroups/shim_client.hpp).
#include <fcntl.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/capabilities.hpp"
#include "02-namespaces/user.hpp"
#include "05-images/runtime_config.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "engine/entry.hpp"
#include "engine/exec_entry.hpp"
#include "engine/exec_process.hpp"

namespace drydock {
namespace {

using nlohmann::json;
using nlohmann::literals::operator""_json_pointer;

constexpr std::size_t kMostExecs = 2048;  ///< that are remembered; those that have ended go first

bool is_variable(const std::string& variable, std::string_view name) {
    return variable.size() > name.size() && variable.starts_with(name) &&
           variable[name.size()] == '=';
}

void set_in(std::vector<std::string>& env, const std::string& variable) {
    const std::string name = variable.substr(0, variable.find('='));
    std::erase_if(env, [&](const std::string& one) { return is_variable(one, name); });
    if (variable.find('=') != std::string::npos) {
        env.push_back(variable);
    }
}

bool has_variable(const std::vector<std::string>& env, std::string_view name) {
    return std::ranges::any_of(env, [&](const std::string& one) { return is_variable(one, name); });
}

/// Another user than the container's: looked up in the container as it is now.
void set_user(json& process, const ExecSpec& spec, const Container& container,
              std::vector<std::string>& env) {
    const UniqueFd root =
        open_file(fmt::format("/proc/{}/root", container.state.pid), O_PATH | O_DIRECTORY);
    const User user = find_user(root.get(), spec.user);
    process["user"] = {{"uid", user.uid}, {"gid", user.gid}, {"additionalGids", user.groups}};
    if (!has_variable(container.config.env, "HOME")) {
        set_in(env, "HOME=" + user.home);
    }
    if (process.contains("capabilities")) {
        json& sets = process["capabilities"];
        const json bounding = sets.value("bounding", json::array());
        for (const char* set : {"permitted", "effective"}) {
            sets[set] = user.uid == 0 ? bounding : json::array();
        }
        sets.erase("ambient");
        sets.erase("inheritable");
    }
}

/// All that we have ourselves, for whoever it runs as.
void give_all_capabilities(json& process) {
    const auto names = capability_names(own_bounding_set());
    const bool root = process.value("/user/uid"_json_pointer, 0) == 0;
    process["capabilities"] = {{"bounding", names},
                               {"permitted", root ? json(names) : json::array()},
                               {"effective", root ? json(names) : json::array()}};
    process["noNewPrivileges"] = false;
    process.erase("apparmorProfile");
}

/// @throws EngineError Conflict in docker's words
void refuse_unless_it_runs(const Container& container, std::string_view name) {
    const ContainerStatus& state = container.state;
    if (state.paused) {
        throw EngineError(
            Refusal::Conflict,
            fmt::format("Container {} is paused, unpause the container before exec", name));
    }
    if (state.status == Status::Restarting) {
        throw EngineError(
            Refusal::Conflict,
            fmt::format("Container {} is restarting, wait until the container is running",
                        container.id));
    }
    if (state.status != Status::Running) {
        throw EngineError(Refusal::Conflict,
                          fmt::format("Container {} is not running", container.id));
    }
}

std::string words_of(const ExecSpec& spec) {
    return fmt::format("{}", fmt::join(spec.command, " "));
}

}  // namespace

std::string process_for(const ExecSpec& spec, const Container& container,
                        const std::filesystem::path& bundle) {
    json process = json::parse(read_file(bundle / "config.json")).at("process");
    auto env = process.value("env", std::vector<std::string>());
    if (!spec.user.empty()) {
        set_user(process, spec, container, env);
    }
    if (spec.tty && !has_variable(env, "TERM")) {
        env.emplace_back("TERM=xterm");
    }
    for (const std::string& variable : spec.env) {
        set_in(env, variable);
    }
    process["env"] = env;
    process["args"] = spec.command;
    process["terminal"] = spec.tty;
    if (!spec.working_dir.empty()) {
        process["cwd"] = spec.working_dir;
    }
    if (spec.privileged) {
        give_all_capabilities(process);
    }
    process.erase("consoleSize");
    if (spec.tty && spec.size) {
        process["consoleSize"] = {{"height", spec.size->first}, {"width", spec.size->second}};
    }
    return process.dump(-1, ' ', false, json::error_handler_t::replace);
}

void Engine::forget_old_execs() {
    for (auto one = execs_.begin(); one != execs_.end() && execs_.size() >= kMostExecs;) {
        const std::unique_lock lock(one->second->mutex, std::try_to_lock);
        const bool over =
            lock && one->second->record.started && one->second->running.exit_status().has_value();
        one = over ? execs_.erase(one) : std::next(one);
    }
}

std::string Engine::create_exec(std::string_view name, ExecSpec spec) {
    const Container container = find(name);
    refuse_unless_it_runs(container, name);
    if (spec.command.empty()) {
        throw InputError("No exec command specified");
    }
    auto exec = std::make_shared<Exec>();
    exec->record = {
        .id = new_container_id(), .container_id = container.id, .spec = std::move(spec)};
    const std::lock_guard lock(mutex_);
    forget_old_execs();
    if (execs_.size() >= kMostExecs) {
        throw EngineError(Refusal::Conflict,
                          fmt::format("{} commands run in containers; expected fewer", kMostExecs));
    }
    execs_[exec->record.id] = exec;
    tell(container, "exec_create: " + words_of(exec->record.spec), {{"execID", exec->record.id}});
    return exec->record.id;
}

std::shared_ptr<Engine::Exec> Engine::exec(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = execs_.find(id);
    if (found == execs_.end()) {
        throw EngineError(Refusal::NotFound, fmt::format("No such exec instance: {}", id));
    }
    return found->second;
}

void Engine::start_exec(const std::string& id,
                        const std::function<std::optional<Attachment>()>& attachment) {
    const auto one = exec(id);
    const std::lock_guard lock(one->mutex);
    if (one->record.started) {
        throw EngineError(Refusal::Conflict,
                          fmt::format("exec command {} has already run", one->record.id));
    }
    const Container container = find(one->record.container_id);
    refuse_unless_it_runs(container, container.id);
    const std::filesystem::path bundle = store_.directory(container.id);
    ShimExecRequest request{.process = process_for(one->record.spec, container, bundle),
                            .terminal = one->record.spec.tty};
    one->record.started = true;
    // From here on the client has its answer: what goes wrong it hears by the stream's end.
    request.attachment = attachment();
    tell(container, "exec_start: " + words_of(one->record.spec), {{"execID", one->record.id}});
    one->running = shim_exec(bundle, std::move(request));
    if (one->running.fd() >= 0) {
        const std::lock_guard engine_lock(mutex_);
        watched_execs_[id] = one;
        watcher_->watch(one->running.fd(), std::string(kExecPrefix) + id);
    }
}

void Engine::on_exec_end(const std::string& id) {
    std::shared_ptr<Exec> one;
    {
        const std::lock_guard lock(mutex_);
        one = std::exchange(watched_execs_[id], nullptr);
        watched_execs_.erase(id);
    }
    if (!one) {
        return;
    }
    std::string container_id;
    int exit_code = 0;
    {
        const std::lock_guard lock(one->mutex);
        container_id = one->record.container_id;
        exit_code = one->running.wait();
    }
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(container_id); found != entries_.end()) {
        tell(found->second->container, "exec_die",
             {{"execID", id}, {"exitCode", std::to_string(exit_code)}});
    }
}

ExecRecord Engine::find_exec(const std::string& id) const {
    const auto one = exec(id);
    const std::lock_guard lock(one->mutex);
    ExecRecord record = one->record;
    if (record.started) {
        constexpr int kNeverRan = 126;
        record.exit_code = one->running.fd() >= 0 ? one->running.exit_status() : kNeverRan;
        record.pid = record.exit_code ? 0 : one->running.pid();
    }
    return record;
}

void Engine::resize_exec(const std::string& id, unsigned rows, unsigned columns) {
    const auto one = exec(id);
    const std::lock_guard lock(one->mutex);
    if (!one->record.started) {
        one->record.spec.size = {rows, columns};
        return;
    }
    if (one->running.fd() < 0 || one->running.exit_status()) {
        throw EngineError(Refusal::Conflict, fmt::format("exec {} has ended", id));
    }
    one->running.resize(rows, columns);
}

}  // namespace drydock
