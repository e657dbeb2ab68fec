#include "build_state.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <functional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

using Words = std::vector<std::string>;

std::string json_text(const Words& words) {
    return nlohmann::json(words).dump();
}

std::uint16_t port_number(std::string_view text, std::string_view whole) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
        throw InputError(
            fmt::format("\"{}\": expected port[/protocol] or first-last[/protocol], "
                        "with ports from 1 to 65535",
                        whole));
    }
    return port;
}

void expose(oci::ExecutionConfig& config, const std::string& text) {
    const std::size_t slash = text.find('/');
    const std::string protocol = slash == std::string::npos ? "tcp" : text.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") {
        throw InputError(
            fmt::format("\"{}\": protocol \"{}\"; expected tcp, udp or sctp", text, protocol));
    }
    const std::string_view ports = std::string_view(text).substr(0, slash);
    const std::size_t dash = ports.find('-');
    const int first = port_number(ports.substr(0, dash), text);
    const int last =
        dash == std::string_view::npos ? first : port_number(ports.substr(dash + 1), text);
    if (last < first) {
        throw InputError(fmt::format("\"{}\": the range ends before it begins", text));
    }
    for (int port = first; port <= last; ++port) {
        config.exposed_ports.insert(fmt::format("{}/{}", port, protocol));
    }
}

void set_env(oci::ExecutionConfig& config, const std::string& name, const std::string& value) {
    const auto known = std::ranges::find_if(config.env, [&](const std::string& variable) {
        return variable.starts_with(name) && variable[name.size()] == '=';
    });
    std::string variable = fmt::format("{}={}", name, value);
    if (known != config.env.end()) {
        *known = std::move(variable);
    } else {
        config.env.push_back(std::move(variable));
    }
}

bool is_signal(std::string_view text) {
    if (text.starts_with("SIG")) {
        text.remove_prefix(3);
    }
    for (int signal = 1; signal < NSIG; ++signal) {
        const char* name = ::sigabbrev_np(signal);
        if ((name != nullptr && text == name) || text == std::to_string(signal)) {
            return true;
        }
    }
    return text.starts_with("RTMIN") || text.starts_with("RTMAX");
}

std::string checked_signal(std::string text) {
    if (!is_signal(text)) {
        throw InputError(fmt::format("\"{}\": expected a signal, like SIGTERM or 15", text));
    }
    return text;
}

Words command_words(const oci::ExecutionConfig& config, const Instruction& instruction) {
    if (instruction.exec_form) {
        return instruction.words;
    }
    return instruction.words.front().empty() ? Words{}
                                             : shell_command(config, instruction.words.front());
}

using Expanded = std::function<std::string(const std::string&)>;

// Each applies one kind of instruction and says what it came to, for the cache key and the history.

std::string apply_pairs(oci::ExecutionConfig& config, const Instruction& instruction,
                        const Expanded& expanded) {
    std::string said;
    for (const auto& [name, value] : instruction.pairs) {
        const std::string key = expanded(name);
        const std::string text = expanded(value.value_or(""));
        if (instruction.verb == Verb::Env) {
            set_env(config, key, text);
        } else {
            config.labels[key] = text;
        }
        said += fmt::format(" {}={}", key, text);
    }
    return said;
}

std::string apply_command(BuildState& state, const Instruction& instruction) {
    oci::ExecutionConfig& config = state.config.config;
    if (instruction.verb == Verb::Shell) {
        config.shell = instruction.words;
        return " " + json_text(config.shell);
    }
    Words words = command_words(config, instruction);
    std::string said = " " + json_text(words);
    if (instruction.verb == Verb::Cmd) {
        config.cmd = std::move(words);
        state.cmd_set_here = true;
        return said;
    }
    config.entrypoint = std::move(words);
    if (!state.cmd_set_here) {
        config.cmd.reset();  // it was meant for another entrypoint
    }
    return said;
}

std::string apply_list(oci::ExecutionConfig& config, const Instruction& instruction,
                       const Expanded& expanded) {
    std::string said;
    for (const std::string& word : instruction.words) {
        const std::string text = expanded(word);
        if (instruction.verb == Verb::Expose) {
            expose(config, text);
        } else {
            config.volumes.insert(text);
        }
        said += fmt::format(" {}", text);
    }
    return said;
}

std::string apply_text(BuildState& state, const Instruction& instruction,
                       const Expanded& expanded) {
    oci::ExecutionConfig& config = state.config.config;
    const std::string& text = instruction.words.front();
    switch (instruction.verb) {
        case Verb::User:
            config.user = expanded(text);
            return " " + config.user;
        case Verb::Workdir:
            config.working_dir = path_in_image(config, expanded(text));
            while (config.working_dir.size() > 1 && config.working_dir.ends_with('/')) {
                config.working_dir.pop_back();
            }
            return " " + config.working_dir;
        case Verb::StopSignal:
            config.stop_signal = checked_signal(expanded(text));
            return " " + config.stop_signal;
        default:  // MAINTAINER
            state.config.author = text;
            return " " + text;
    }
}

}  // namespace

std::string BuildState::id() const {
    return digest_of(config_text).text();
}

std::string BuildState::short_id() const {
    return std::string(digest_of(config_text).hex().substr(0, 12));
}

LookUpVariable variables_of(const BuildState& state) {
    return [&state](const std::string& name) -> std::optional<std::string> {
        for (const std::string& variable : state.config.config.env) {
            if (variable.starts_with(name) && variable[name.size()] == '=') {
                return variable.substr(name.size() + 1);
            }
        }
        const auto arg = state.args.find(name);
        return arg == state.args.end() ? std::nullopt : std::optional(arg->second);
    };
}

std::vector<std::string> shell_command(const oci::ExecutionConfig& config,
                                       const std::string& text) {
    Words words = config.shell.empty() ? Words{"/bin/sh", "-c"} : config.shell;
    words.push_back(text);
    return words;
}

std::string path_in_image(const oci::ExecutionConfig& config, const std::string& path) {
    const std::filesystem::path workdir = config.working_dir.empty() ? "/" : config.working_dir;
    return (workdir / path).lexically_normal().native();
}

SettingsChange apply_settings(BuildState& state, const Instruction& instruction, char escape) {
    const BuildState before = state;  // "ENV a=b c=$a": the old a
    const LookUpVariable look_up = variables_of(before);
    const Expanded expanded = [&](const std::string& text) {
        return expand(text, look_up, escape);
    };
    std::string said = instruction.text.substr(0, instruction.text.find(' '));
    switch (instruction.verb) {
        case Verb::Env:
        case Verb::Label:
            said += apply_pairs(state.config.config, instruction, expanded);
            break;
        case Verb::Cmd:
        case Verb::Entrypoint:
        case Verb::Shell:
            said += apply_command(state, instruction);
            break;
        case Verb::Expose:
        case Verb::Volume:
            said += apply_list(state.config.config, instruction, expanded);
            break;
        case Verb::Healthcheck:
            state.config.config.healthcheck = instruction.healthcheck;
            said = instruction.text;
            break;
        case Verb::OnBuild:
            state.config.config.on_build.push_back(instruction.words.front());
            said += " " + instruction.words.front();
            break;
        default:
            said += apply_text(state, instruction, expanded);
            break;
    }
    return {.canonical = said, .created_by = "/bin/sh -c #(nop) " + said};
}

}  // namespace drydock
