#include "05-images/dockerfile.hpp"

#include <algorithm>
#include <cctype>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/dockerfile_lexer.hpp"
#include "05-images/expand.hpp"

namespace drydock {
namespace {

/// Where the parser is, for errors: "Dockerfile:3: RUN: …".
struct Place {
    std::string_view file{};
    char escape = '\\';
    const RawInstruction& raw;

    [[noreturn]] void refuse(std::string_view what) const {
        throw InputError(fmt::format("{}:{}: {}: {}", file, raw.line, raw.name, what));
    }
    [[noreturn]] void not_implemented(std::string_view what) const {
        throw NotImplemented(fmt::format("{} ({}:{})", what, file, raw.line));
    }
};

/// How many characters differ, are missing or are too many; two exchanged neighbours count once.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> cost(a.size() + 1,
                                               std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                                   cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
            }
        }
    }
    return cost[a.size()][b.size()];
}

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

/// Takes the leading "--name=value" words off `text`.
std::map<std::string, std::string> take_flags(std::string_view& text,
                                              std::span<const std::string_view> known,
                                              const Place& place) {
    std::map<std::string, std::string> flags;
    while (text.starts_with("--")) {
        const std::string_view word = text.substr(0, text.find_first_of(" \t"));
        text.remove_prefix(word.size());
        text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
        if (word == "--") {
            break;
        }
        const std::size_t equals = word.find('=');
        const std::string_view name = word.substr(2, equals - 2);
        if (std::ranges::find(known, name) == known.end()) {
            const std::string near = nearest(name, {known.begin(), known.end()});
            place.refuse(fmt::format(
                "unknown flag \"--{}\"{}", name,
                near.empty() ? known.empty()
                                   ? std::string("; it takes none")
                                   : fmt::format("; expected --{}", fmt::join(known, ", --"))
                             : fmt::format("; did you mean --{}?", near)));
        }
        const std::string value(equals == std::string_view::npos ? "true"
                                                                 : word.substr(equals + 1));
        if (!flags.emplace(name, value).second) {
            place.refuse(fmt::format("flag --{} occurs twice", name));
        }
    }
    return flags;
}

std::vector<std::string_view> flags_of(Verb verb) {
    switch (verb) {
        case Verb::Run:
            return {"mount", "network", "security"};
        case Verb::Copy:
            return {"from", "chown", "chmod", "link", "parents", "exclude"};
        case Verb::Add:
            return {"chown", "chmod", "link", "checksum", "keep-git-dir", "exclude", "unpack"};
        default:
            return {};
    }
}

/// Flags that exist, and that are not built yet.
void check_flags(const Instruction& instruction, const Place& place) {
    for (const char* name :
         {"mount", "security", "parents", "exclude", "checksum", "keep-git-dir", "unpack"}) {
        if (instruction.flags.contains(name)) {
            place.not_implemented(fmt::format("{} --{}", place.raw.name, name));
        }
    }
    if (const auto network = instruction.flags.find("network");
        network != instruction.flags.end()) {
        if (network->second != "default" && network->second != "none" &&
            network->second != "host") {
            place.refuse(
                fmt::format("--network={}: expected default, none or host", network->second));
        }
    }
}

void read_command(std::string_view text, Instruction& into, const Place& place) {
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

void read_files(std::string_view text, Instruction& into, const Place& place) {
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

void read_pairs(std::string_view text, Instruction& into, const Place& place) {
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

void read_args(std::string_view text, Instruction& into, const Place& place) {
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
    {"LABEL", Verb::Label},
    {"MAINTAINER", Verb::Maintainer},
    {"RUN", Verb::Run},
    {"SHELL", Verb::Shell},
    {"STOPSIGNAL", Verb::StopSignal},
    {"USER", Verb::User},
    {"VOLUME", Verb::Volume},
    {"WORKDIR", Verb::Workdir},
};

Verb verb_of(const RawInstruction& raw, std::string_view file) {
    std::vector<std::string_view> names = {"FROM", "HEALTHCHECK", "ONBUILD"};
    for (const KnownInstruction& known : kKnown) {
        if (known.name == raw.name) {
            return known.verb;
        }
        names.push_back(known.name);
    }
    if (raw.name == "HEALTHCHECK" || raw.name == "ONBUILD") {
        throw NotImplemented(fmt::format("{} ({}:{})", raw.name, file, raw.line));
    }
    const std::string near = nearest(raw.name, names);
    throw InputError(fmt::format("{}:{}: unknown instruction \"{}\"{}", file, raw.line, raw.name,
                                 near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

Instruction parse_instruction(const Place& place) {
    const RawInstruction& raw = place.raw;
    Instruction result{.verb = verb_of(raw, place.file),
                       .line = raw.line,
                       .text = raw.name + (raw.text.empty() ? "" : " " + raw.text)};
    std::string_view text = raw.text;
    const std::vector<std::string_view> known = flags_of(result.verb);
    if (!known.empty()) {
        result.flags = take_flags(text, known, place);
        check_flags(result, place);
    }
    const bool may_be_empty = result.verb == Verb::Cmd || result.verb == Verb::Entrypoint;
    if (text.empty() && !may_be_empty) {
        place.refuse("expected at least one argument");
    }
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
        case Verb::User:
        case Verb::Workdir:
        case Verb::StopSignal:
        case Verb::Maintainer:
            result.words = {std::string(text)};
            break;
    }
    return result;
}

BuildStage parse_from(const Place& place) {
    BuildStage stage{.line = place.raw.line, .text = "FROM " + place.raw.text};
    std::string_view text = place.raw.text;
    constexpr std::string_view kFlags[] = {"platform"};
    std::map<std::string, std::string> flags = take_flags(text, kFlags, place);
    stage.platform = flags["platform"];
    const std::vector<std::string> words = split_words(text, place.escape);
    const bool named = words.size() == 3 && lower_case(words[1]) == "as";
    if (words.size() != 1 && !named) {
        place.refuse("expected FROM image, or FROM image AS name");
    }
    stage.base = words[0];
    if (named) {
        stage.name = lower_case(words[2]);
        const auto in_name = [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
        };
        if (std::isalpha(static_cast<unsigned char>(stage.name[0])) == 0 ||
            !std::ranges::all_of(stage.name, in_name)) {
            place.refuse(
                fmt::format("\"{}\" is no name for a stage; expected a letter, then "
                            "letters, digits, \"_\", \".\" and \"-\"",
                            words[2]));
        }
    }
    return stage;
}

}  // namespace

std::string nearest(std::string_view typed, const std::vector<std::string_view>& known) {
    std::string result;
    std::size_t best = typed.size() < 3 ? 1 : 2;
    for (const std::string_view name : known) {
        if (const std::size_t d = distance(typed, name); d <= best && d < name.size()) {
            if (d < best || result.empty()) {
                result = name;
            }
            best = d;
        }
    }
    return result;
}

Dockerfile parse_dockerfile(std::string_view text, std::string_view name) {
    const LexedDockerfile lexed = lex_dockerfile(text, name);
    Dockerfile result{.name = std::string(name), .escape = lexed.escape};
    for (const RawInstruction& raw : lexed.instructions) {
        const Place place{.file = name, .escape = lexed.escape, .raw = raw};
        if (raw.name == "FROM") {
            BuildStage stage = parse_from(place);
            const bool taken = std::ranges::any_of(result.stages, [&](const BuildStage& other) {
                return !stage.name.empty() && other.name == stage.name;
            });
            if (taken) {
                place.refuse(fmt::format("there is a stage \"{}\" already", stage.name));
            }
            result.stages.push_back(std::move(stage));
            continue;
        }
        Instruction instruction = parse_instruction(place);
        if (!result.stages.empty()) {
            result.stages.back().instructions.push_back(std::move(instruction));
        } else if (instruction.verb == Verb::Arg) {
            result.global_args.push_back(std::move(instruction));
        } else {
            place.refuse("no build stage yet: a Dockerfile begins with FROM (or ARG)");
        }
    }
    if (result.stages.empty()) {
        throw InputError(fmt::format("{}: no FROM: a Dockerfile has at least one", name));
    }
    return result;
}

}  // namespace drydock
