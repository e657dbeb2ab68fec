#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/expand.hpp"

#include "dockerfile_place.hpp"

namespace drydock {
namespace {

/// The strings of a JSON array; nothing when `text` is anything else: then it is for the shell.
std::optional<std::vector<std::string>> json_words(std::string_view text) {
    if (!text.starts_with('[')) {
        return std::nullopt;
    }
    const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
    if (!parsed.is_array() ||
        !std::ranges::all_of(parsed, [](const nlohmann::json& e) { return e.is_string(); })) {
        return std::nullopt;
    }
    return parsed.get<std::vector<std::string>>();
}

std::vector<std::string_view> flags_of(Verb verb) {
    switch (verb) {
        case Verb::Run:
            return {"mount", "network", "security"};
        case Verb::Copy:
            return {"from", "chown", "chmod", "link", "parents", "exclude"};
        case Verb::Add:
            return {"chown", "chmod", "link", "checksum", "keep-git-dir", "exclude", "unpack"};
        case Verb::Healthcheck:
            return {"interval", "timeout", "start-period", "start-interval", "retries"};
        default:
            return {};
    }
}

void check_choice(const Instruction& instruction, const char* name,
                  const std::vector<std::string_view>& choices, const DockerfilePlace& place) {
    const auto flag = instruction.flags.find(name);
    if (flag == instruction.flags.end() ||
        std::ranges::find(choices, flag->second) != choices.end()) {
        return;
    }
    const std::string near = nearest(flag->second, choices);
    place.refuse(fmt::format("--{}={}: expected {} or {}{}", name, flag->second,
                             fmt::join(choices.begin(), choices.end() - 1, ", "), choices.back(),
                             near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

void sort_flags(WrittenFlags written, Instruction& into, const DockerfilePlace& place) {
    for (auto& [name, value] : written) {
        if (name == "mount") {
            into.mounts.push_back(std::move(value));
        } else if (name == "exclude") {
            into.excludes.push_back(std::move(value));
        } else if (!into.flags.emplace(name, std::move(value)).second) {
            place.refuse(fmt::format("flag --{} occurs twice", name));
        }
    }
    check_choice(into, "network", {"default", "none", "host"}, place);
    check_choice(into, "security", {"sandbox", "insecure"}, place);
    for (const char* name : {"link", "parents", "keep-git-dir", "unpack"}) {
        check_choice(into, name, {"true", "false"}, place);
    }
    if (into.flags.contains("security") && into.flags.at("security") == "insecure") {
        place.not_implemented("RUN --security=insecure");
    }
    if (into.flags.contains("keep-git-dir")) {
        place.not_implemented("ADD --keep-git-dir");
    }
}

/// Checks what can be checked before variables have values.
void check_mounts(const Instruction& instruction, const DockerfilePlace& place) {
    for (const std::string& mount : instruction.mounts) {
        try {
            // An unset variable would make an empty value of a right one.
            static_cast<void>(parse_run_mount(mount, [](const std::string& text) {
                return text.find('$') == std::string::npos ? text : std::string();
            }));
        } catch (const InputError& e) {
            if (mount.find('$') == std::string::npos) {
                place.refuse(e.what());
            }
        } catch (const NotImplemented& e) {
            place.not_implemented(fmt::format("RUN --mount={}", mount));
        }
    }
}

void read_command(std::string_view text, Instruction& into, const DockerfilePlace& place) {
    if (auto words = json_words(text)) {
        if (words->empty() && into.verb == Verb::Run) {
            place.refuse("expected a command, got an empty list");
        }
        into.words = *std::move(words);
        into.exec_form = true;
    } else if (into.verb == Verb::Shell) {
        place.refuse("expected a JSON list: SHELL [\"executable\", \"parameters\"]");
    } else {
        into.words = {std::string(text)};
    }
}

void read_files(std::string_view text, Instruction& into, const DockerfilePlace& place) {
    if (auto words = json_words(text)) {
        into.words = *std::move(words);
        into.exec_form = true;
    } else {
        into.words = split_words(text, place.escape);
    }
    if (into.words.size() < 2) {
        place.refuse("expected at least one source and a destination");
    }
}

void read_pairs(std::string_view text, Instruction& into, const DockerfilePlace& place) {
    const std::vector<std::string> words = split_words(text, place.escape);
    // "ENV name all of the rest" is the older form.
    if (words.front().find('=') == std::string::npos) {
        std::string_view value = text.substr(words.front().size());
        value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
        if (value.empty()) {
            place.refuse(fmt::format("\"{}\": expected name=value", words.front()));
        }
        into.pairs.emplace_back(words.front(), std::string(value));
        return;
    }
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos || equals == 0) {
            place.refuse(fmt::format("\"{}\": expected name=value", word));
        }
        into.pairs.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
}

void read_args(std::string_view text, Instruction& into, const DockerfilePlace& place) {
    for (const std::string& word : split_words(text, place.escape)) {
        const std::size_t equals = word.find('=');
        if (equals == 0) {
            place.refuse(fmt::format("\"{}\": expected name or name=default", word));
        }
        into.pairs.emplace_back(
            word.substr(0, equals),
            equals == std::string::npos ? std::nullopt : std::optional(word.substr(equals + 1)));
    }
}

/// Go's durations: "1m30s", "500ms". @return nanoseconds
std::int64_t duration_of(std::string_view flag, const std::string& text,
                         const DockerfilePlace& place) {
    struct Unit {
        std::string_view name{};
        double nanoseconds = 0;
    };
    constexpr Unit kUnits[] = {{"ns", 1},  {"us", 1e3}, {"ms", 1e6},
                               {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    double total = 0;
    std::string_view rest = text;
    bool right = !rest.empty();
    while (right && !rest.empty() && rest != "0") {
        double number = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number,
                                                  std::chars_format::fixed);
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        const std::string_view name = rest.substr(0, rest.find_first_of("0123456789."));
        const auto* unit = std::ranges::find(kUnits, name, &Unit::name);
        right = error == std::errc{} && number >= 0 && unit != std::end(kUnits);
        total += right ? number * unit->nanoseconds : 0;
        rest.remove_prefix(name.size());
    }
    constexpr double kMost = 9.2e18;
    constexpr double kLeast = 1e6;
    if (!right || total > kMost) {
        place.refuse(
            fmt::format("--{}={}: expected a duration, like 30s, 1m30s or 500ms", flag, text));
    }
    if (total != 0 && total < kLeast) {
        place.refuse(fmt::format("--{}={}: expected 1ms or more, or 0", flag, text));
    }
    return std::llround(total);
}

oci::Healthcheck healthcheck_times(const Instruction& instruction, const DockerfilePlace& place) {
    oci::Healthcheck check;
    for (const auto& [name, value] : instruction.flags) {
        if (name == "retries") {
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), check.retries);
            if (error != std::errc{} || end != value.data() + value.size() || check.retries < 0) {
                place.refuse(fmt::format("--retries={}: expected a number, 1 or more", value));
            }
            continue;
        }
        std::int64_t& into = name == "interval"       ? check.interval
                             : name == "timeout"      ? check.timeout
                             : name == "start-period" ? check.start_period
                                                      : check.start_interval;
        into = duration_of(name, value, place);
    }
    return check;
}

void parse_healthcheck(std::string_view text, Instruction& into, const DockerfilePlace& place) {
    const std::string_view kind = text.substr(0, text.find_first_of(" \t"));
    text.remove_prefix(kind.size());
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    oci::Healthcheck check = healthcheck_times(into, place);
    if (lower_case(kind) == "none") {
        if (!text.empty() || !into.flags.empty()) {
            place.refuse("NONE stands alone");
        }
        check.test = {"NONE"};
    } else if (lower_case(kind) == "cmd") {
        if (auto words = json_words(text)) {
            check.test = *std::move(words);
            check.test.insert(check.test.begin(), "CMD");
        } else {
            check.test = {"CMD-SHELL", std::string(text)};
        }
        if (check.test.size() < 2 || check.test[1].empty()) {
            place.refuse("expected a command behind CMD");
        }
    } else {
        const std::string near = nearest(kind, {"CMD", "NONE"});
        place.refuse(fmt::format("\"{}\": expected CMD or NONE{}", kind,
                                 near.empty() ? "" : fmt::format("; did you mean {}?", near)));
    }
    into.healthcheck = std::move(check);
}

void read_trigger(std::string_view text, Instruction& into, const DockerfilePlace& place) {
    into.words = {std::string(text) + place.raw.heredoc_lines};
    static_cast<void>(parse_trigger(into.words.front(), place.file, place.raw.line));
}

struct KnownInstruction {
    std::string_view name{};
    Verb verb = Verb::Run;
};
constexpr KnownInstruction kKnown[] = {
    {"ADD", Verb::Add},
    {"ARG", Verb::Arg},
    {"CMD", Verb::Cmd},
    {"COPY", Verb::Copy},
    {"ENTRYPOINT", Verb::Entrypoint},
    {"ENV", Verb::Env},
    {"EXPOSE", Verb::Expose},
    {"HEALTHCHECK", Verb::Healthcheck},
    {"LABEL", Verb::Label},
    {"MAINTAINER", Verb::Maintainer},
    {"ONBUILD", Verb::OnBuild},
    {"RUN", Verb::Run},
    {"SHELL", Verb::Shell},
    {"STOPSIGNAL", Verb::StopSignal},
    {"USER", Verb::User},
    {"VOLUME", Verb::Volume},
    {"WORKDIR", Verb::Workdir},
};

Verb verb_of(const RawInstruction& raw, std::string_view file) {
    std::vector<std::string_view> names = {"FROM"};
    for (const KnownInstruction& known : kKnown) {
        if (known.name == raw.name) {
            return known.verb;
        }
        names.push_back(known.name);
    }
    const std::string near = nearest(raw.name, names);
    throw InputError(fmt::format("{}:{}: unknown instruction \"{}\"{}", file, raw.line, raw.name,
                                 near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

void read_arguments(std::string_view text, Instruction& result, const DockerfilePlace& place) {
    switch (result.verb) {
        case Verb::Run:
        case Verb::Cmd:
        case Verb::Entrypoint:
        case Verb::Shell:
            read_command(text, result, place);
            break;
        case Verb::Copy:
        case Verb::Add:
            read_files(text, result, place);
            break;
        case Verb::Env:
        case Verb::Label:
            read_pairs(text, result, place);
            break;
        case Verb::Arg:
            read_args(text, result, place);
            break;
        case Verb::Expose:
            result.words = split_words(text, place.escape);
            break;
        case Verb::Volume:
            result.words = json_words(text).value_or(split_words(text, place.escape));
            break;
        case Verb::Healthcheck:
            parse_healthcheck(text, result, place);
            break;
        case Verb::OnBuild:
            read_trigger(text, result, place);
            break;
        case Verb::User:
        case Verb::Workdir:
        case Verb::StopSignal:
        case Verb::Maintainer:
            result.words = {std::string(text)};
            break;
    }
}

}  // namespace

Instruction parse_instruction(const DockerfilePlace& place) {
    const RawInstruction& raw = place.raw;
    Instruction result{.verb = verb_of(raw, place.file),
                       .line = raw.line,
                       .text = raw.name + (raw.text.empty() ? "" : " " + raw.text),
                       .written_name = raw.written_name};
    std::string_view text = raw.text;
    const std::vector<std::string_view> known = flags_of(result.verb);
    if (!known.empty()) {
        sort_flags(take_flags(text, known, place), result, place);
        check_mounts(result, place);
    }
    const bool may_be_empty = result.verb == Verb::Cmd || result.verb == Verb::Entrypoint;
    if (text.empty() && !may_be_empty) {
        place.refuse("expected at least one argument");
    }
    if (result.verb != Verb::OnBuild) {
        result.heredocs = raw.heredocs;
    }
    read_arguments(text, result, place);
    return result;
}

}  // namespace drydock
