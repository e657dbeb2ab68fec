#include "05-images/dockerfile.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "05-images/expand.hpp"

#include "dockerfile_place.hpp"

namespace drydock {
namespace {

BuildStage parse_from(const DockerfilePlace& place) {
    BuildStage stage{.line = place.raw.line,
                     .text = "FROM " + place.raw.text,
                     .written_from = place.raw.written_name};
    std::string_view text = place.raw.text;
    constexpr std::string_view kFlags[] = {"platform"};
    for (const auto& [name, value] : take_flags(text, kFlags, place)) {
        stage.platform = value;
    }
    const std::vector<std::string> words = split_words(text, place.escape);
    const bool named = words.size() == 3 && lower_case(words[1]) == "as";
    if (words.size() != 1 && !named) {
        place.refuse("expected FROM image, or FROM image AS name");
    }
    stage.base = words[0];
    if (named) {
        stage.name = lower_case(words[2]);
        stage.written_name = words[2];
        stage.written_as = words[1];
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

Dockerfile parse_dockerfile(std::string_view text, std::string_view name) {
    const LexedDockerfile lexed = lex_dockerfile(text, name);
    Dockerfile result{.name = std::string(name),
                      .escape = lexed.escape,
                      .check = lexed.check,
                      .empty_continuations = lexed.empty_continuations};
    for (const RawInstruction& raw : lexed.instructions) {
        const DockerfilePlace place{.file = name, .escape = lexed.escape, .raw = raw};
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

Instruction parse_trigger(std::string_view text, std::string_view file, int line) {
    LexedDockerfile lexed = lex_dockerfile(text, file);
    if (lexed.instructions.size() != 1) {
        throw InputError(
            fmt::format("{}:{}: ONBUILD: expected one instruction, got \"{}\"", file, line, text));
    }
    RawInstruction& raw = lexed.instructions.front();
    raw.line = line;
    if (raw.name == "FROM" || raw.name == "ONBUILD" || raw.name == "MAINTAINER") {
        throw InputError(
            fmt::format("{}:{}: ONBUILD: {} is not allowed as a trigger", file, line, raw.name));
    }
    return parse_instruction({.file = file, .escape = lexed.escape, .raw = raw});
}

}  // namespace drydock
