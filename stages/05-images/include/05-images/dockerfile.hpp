#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "05-images/dockerfile_lexer.hpp"
#include "05-images/image_config.hpp"

namespace drydock {

enum class Verb {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Label,
    Maintainer,
    OnBuild,
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
    std::string written_name{};                  ///< "run", as its author wrote it
    std::map<std::string, std::string> flags{};  ///< "--chown=1:1" is {"chown", "1:1"}
    std::vector<std::string> mounts{};           ///< RUN: the value of each --mount
    std::vector<std::string> excludes{};         ///< COPY, ADD: the pattern of each --exclude
    /// RUN, CMD, ENTRYPOINT, SHELL: the words of the JSON form, or the one text for the shell.
    /// COPY, ADD: sources, then the destination. EXPOSE, VOLUME: each one. USER, WORKDIR,
    /// STOPSIGNAL, MAINTAINER, ONBUILD: the text.
    std::vector<std::string> words{};
    std::vector<Heredoc> heredocs{};                ///< RUN, COPY, ADD: the texts behind it
    std::optional<oci::Healthcheck> healthcheck{};  ///< HEALTHCHECK
    bool exec_form = false;                         ///< it was a JSON array
    /// ENV, LABEL: name and value. ARG: name and default.
    std::vector<std::pair<std::string, std::optional<std::string>>> pairs{};
};

/// What begins with FROM.
struct BuildStage {
    int line = 0;
    std::string text{};          ///< "FROM debian AS base"
    std::string base{};          ///< image, earlier stage or "scratch"; variables not replaced
    std::string name{};          ///< of AS, lower case; empty: only its number
    std::string written_name{};  ///< of AS, as its author wrote it
    std::string written_from{};  ///< "FROM", or "from"
    std::string written_as{};    ///< "AS", or "as"
    std::string platform{};
    std::vector<Instruction> instructions{};
};

struct Dockerfile {
    std::string name{};  ///< of the file, for errors
    char escape = '\\';
    std::string check{};  ///< of the directive "# check=": "skip=RULE,RULE;error=true"
    std::vector<int> empty_continuations{};  ///< lines without text inside a continued instruction
    std::vector<Instruction> global_args{};  ///< ARGs before the first FROM
    std::vector<BuildStage> stages{};        ///< at least one
};

/// @param name of the file, for errors
/// @throws InputError "Dockerfile:3: unknown instruction "RNU"; did you mean RUN?"; NotImplemented
/// for what is right but cannot be done yet
Dockerfile parse_dockerfile(std::string_view text, std::string_view name);

/// One instruction of an image's ONBUILD, as a line of its own.
/// @param line for errors: that of the FROM that named the image
/// @throws the same; InputError for FROM, ONBUILD and MAINTAINER, which may not be there
Instruction parse_trigger(std::string_view text, std::string_view file, int line);

/// What one --mount of RUN asks for.
struct RunMount {
    enum class Type { Bind, Cache, Tmpfs, Secret };
    enum class Sharing { Shared, Private, Locked };
    Type type = Type::Bind;
    std::string target{};  ///< as it is written: may be relative; empty only for a secret
    std::string source{};  ///< path in `from`
    std::string from{};    ///< stage or image; empty: the build context
    std::string id{};      ///< of a cache (default: its target) or a secret
    std::optional<bool> readonly{};
    Sharing sharing = Sharing::Shared;
    bool required = false;  ///< a secret that is not given is an error
    std::optional<std::uint32_t> mode{};
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::string size{};  ///< of a tmpfs, as mount(2) takes it; empty: no limit of its own
};

/// Reads "type=cache,target=/root/.cache,sharing=locked".
/// @param expanded replaces the variables in one value
/// @throws InputError "--mount=…: …", NotImplemented for type=ssh and a secret's env
RunMount parse_run_mount(const std::string& text,
                         const std::function<std::string(const std::string&)>& expanded);

/// The one of `known` that `typed` was probably meant to be; empty when none is near.
std::string nearest(std::string_view typed, const std::vector<std::string_view>& known);

}  // namespace drydock
