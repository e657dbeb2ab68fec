#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "build.hpp"
#include "build_run.hpp"

namespace drydock {
namespace {

/// The text that RUN gives to the shell when it has heredocs: one alone is the script itself,
/// others are the shell's own business.
std::string script_of(const Instruction& instruction, char escape) {
    std::string text = instruction.words.front();
    if (instruction.heredocs.size() == 1 && heredoc_of(text, escape)) {
        return instruction.heredocs.front().content;
    }
    for (const Heredoc& heredoc : instruction.heredocs) {
        text += fmt::format("\n{}{}", heredoc.content, heredoc.name);
    }
    return text;
}

}  // namespace

/// A script with "#!" is started as the file it is; everything else by the image's shell.
RunCommand Build::command_of_run(const BuildState& state, const Instruction& instruction,
                                 RunMounts& mounts) {
    RunCommand result;
    if (instruction.exec_form) {
        result.words = instruction.words;
    } else {
        const std::string script = script_of(instruction, dockerfile().escape);
        const bool whole =
            instruction.heredocs.size() == 1 && script == instruction.heredocs.front().content;
        result.words = whole && script.starts_with("#!")
                           ? std::vector{mounts.add_script(script)}
                           : shell_command(state.config.config, script);
    }
    result.shown = fmt::format("{}", fmt::join(result.words, " "));
    return result;
}

RunArgs Build::args_of_run(const BuildState& state) {
    RunArgs result;
    const LookUpVariable variables = variables_of(state);
    for (const auto& [name, value] : state.args) {
        if (variables(name) == value) {  // not one that ENV has taken
            result.named.push_back(fmt::format("{}={}", name, value));
        }
    }
    for (const auto& [name, value] : request_.build_args) {
        if (value && is_proxy_arg(name) && !state.args.contains(name)) {
            result.hidden.push_back(fmt::format("{}={}", name, *value));
            use_arg(name);
        }
    }
    return result;
}

void Build::plan_mounts(const BuildState& state, const Instruction& instruction,
                        RunMounts& mounts) {
    const LookUpVariable variables = variables_of(state);
    for (const std::string& text : instruction.mounts) {
        RunMount mount = parse_run_mount(text, [&](const std::string& value) {
            return expand(value, variables, dockerfile().escape);
        });
        const bool copies = mount.type == RunMount::Type::Bind || !mount.from.empty();
        const LayerView* tree = !copies              ? nullptr
                                : mount.from.empty() ? &*context_.tree
                                                     : &tree_of(mount.from, state.stage);
        mount.target = mount.target.empty() ? "/run/secrets/" + mount.id
                                            : path_in_image(state.config.config, mount.target);
        mounts.add(std::move(mount), tree, tree == &*context_.tree ? &context_.rules : nullptr);
    }
}

void Build::run_step(BuildState& state, const Instruction& instruction) {
    RunMounts mounts(store_.data_root(), request_.secrets);
    plan_mounts(state, instruction, mounts);
    const RunCommand command = command_of_run(state, instruction, mounts);
    const RunArgs args = args_of_run(state);
    const auto flag = instruction.flags.find("network");
    const std::string network = flag == instruction.flags.end() || flag->second == "default"
                                    ? request_.network
                                    : flag->second;
    const StepKey key =
        key_of(state,
               fmt::format("RUN {}",
                           nlohmann::json{args.named, command.words, network, mounts.key()}.dump()),
               "");
    const StepsUnderWay::Claim claim = under_way_.claim(key.digest());
    if (take_cached(state, key)) {
        return;
    }
    ContainerOptions options{.entrypoint = std::vector<std::string>{}, .cmd = command.words};
    options.env = args.named;
    options.env.insert(options.env.end(), args.hidden.begin(), args.hidden.end());
    if (network == "host") {
        options.network_namespace = "host";
        options.mounts.push_back({.destination = "/etc/resolv.conf",
                                  .type = "bind",
                                  .source = "/etc/resolv.conf",
                                  .options = {"bind", "ro"}});
    }
    const std::vector<Digest> chains = chains_of(state);
    mounts.prepare(LayerView(layer_directories(store_, chains)), [this] { check_cancelled(); });
    options.mounts.insert(options.mounts.end(), mounts.mounts().begin(), mounts.mounts().end());
    BuildWorkspace workspace(store_);
    const Bundle bundle = make_bundle(store_, state.config.config, chains, options,
                                      {.directory = workspace.bundle(), .key = workspace.key()});
    const std::string short_key = workspace.key().substr(6, 12);
    say(state, fmt::format(" ---> Running in {}\n", short_key));
    const int status = run_with_output(
        workspace.bundle(), workspace.key(),
        request_.runtime_root.empty() ? store_.data_root() / "runtime" : request_.runtime_root,
        [&](std::string_view text) { say(state, std::string(text)); },
        [&] { return graph_.has_failed() || is_cancelled(); });
    check_cancelled();
    if (status != 0) {
        throw SetupError(
            fmt::format("The command '{}' returned a non-zero code: {}", command.shown, status), {},
            status);
    }
    mounts.remove_stubs(bundle.upper);
    const LayerBlob layer = workspace.commit(epoch_);
    say(state, fmt::format("Removing intermediate container {}\n", short_key));
    const std::string prefix =
        args.named.empty() ? ""
                           : fmt::format("|{} {} ", args.named.size(), fmt::join(args.named, " "));
    finish_step(state, key, prefix + command.shown, layer);
}

}  // namespace drydock
