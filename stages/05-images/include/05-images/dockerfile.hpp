#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drydock {

enum class Verb {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Label,
    Maintainer,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir
};

/// One instruction of a build stage. Variables in it are not replaced yet: their values are known
/// only when it runs.
struct Instruction {
    Verb verb = Verb::Run;
    int line = 0;
    std::string text{};                          ///< for people: "RUN make all"
    std::map<std::string, std::string> flags{};  ///< "--chown=1:1" is {"chown", "1:1"}
    /// RUN, CMD, ENTRYPOINT, SHELL: the words of the JSON form, or the one text for the shell.
    /// COPY, ADD: sources, then the destination. EXPOSE, VOLUME: each one. USER, WORKDIR,
    /// STOPSIGNAL, MAINTAINER: the text.
    std::vector<std::string> words{};
    bool exec_form = false;  ///< it was a JSON array
    /// ENV, LABEL: name and value. ARG: name and default.
    std::vector<std::pair<std::string, std::optional<std::string>>> pairs{};
};

/// What begins with FROM.
struct BuildStage {
    int line = 0;
    std::string text{};  ///< "FROM debian AS base"
    std::string base{};  ///< image, earlier stage or "scratch"; variables not replaced
    std::string name{};  ///< of AS, lower case; empty: only its number
    std::string platform{};
    std::vector<Instruction> instructions{};
};

struct Dockerfile {
    std::string name{};  ///< of the file, for errors
    char escape = '\\';
    std::vector<Instruction> global_args{};  ///< ARGs before the first FROM
    std::vector<BuildStage> stages{};        ///< at least one
};

/// @param name of the file, for errors
/// @throws InputError "Dockerfile:3: unknown instruction "RNU"; did you mean RUN?"; NotImplemented
/// for what is right but
///         cannot be done yet
Dockerfile parse_dockerfile(std::string_view text, std::string_view name);

/// The one of `known` that `typed` was probably meant to be; empty when none is near.
std::string nearest(std::string_view typed, const std::vector<std::string_view>& known);

}  // namespace drydock
