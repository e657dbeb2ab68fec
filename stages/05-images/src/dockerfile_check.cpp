#include "05-images/dockerfile_check.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "05-images/dockerfile_lexer.hpp"
#include "05-images/expand.hpp"

namespace drydock {
namespace {

bool has_upper(std::string_view text) {
    return std::ranges::any_of(text, [](unsigned char c) { return std::isupper(c) != 0; });
}

bool is_lower_case(std::string_view text) {
    return !has_upper(text);
}

/// What is known in a stage while its instructions are looked at.
struct CheckedStage {
    const BuildStage& stage;
    bool from_scratch = false;  ///< so every variable is known
    bool workdir_is_absolute = false;
    bool shell_is_set = false;
    std::set<std::string> variables{};
    std::set<Verb> seen{};
};

class DockerfileChecker {
  public:
    DockerfileChecker(const Dockerfile& file, const CheckOptions& options)
        : file_(file), options_(options) {}

    std::vector<DockerfileWarning> run() {
        for (const int line : file_.empty_continuations) {
            warn("NoEmptyContinuation", line, "an empty line inside an instruction");
        }
        check_casing();
        check_global_args();
        for (const BuildStage& stage : file_.stages) {
            check_stage(stage);
        }
        check_build_args();
        std::ranges::stable_sort(warnings_, {}, &DockerfileWarning::line);
        return std::move(warnings_);
    }

  private:
    void warn(const char* rule, int line, std::string text) {
        warnings_.push_back({.rule = rule, .line = line, .text = std::move(text)});
    }

    /// Upper or lower case, as most of the file has it.
    void check_casing() {
        std::vector<std::pair<std::string, int>> names;
        for (const BuildStage& stage : file_.stages) {
            names.emplace_back(stage.written_from, stage.line);
            for (const Instruction& instruction : stage.instructions) {
                names.emplace_back(instruction.written_name, instruction.line);
            }
        }
        const auto lower = std::ranges::count_if(
            names, [](const auto& name) { return is_lower_case(name.first); });
        const bool most_lower = lower * 2 > static_cast<std::ptrdiff_t>(names.size());
        for (const auto& [name, line] : names) {
            const bool fits =
                most_lower ? is_lower_case(name) : std::ranges::none_of(name, [](unsigned char c) {
                    return std::islower(c) != 0;
                });
            if (!fits) {
                warn("ConsistentInstructionCasing", line,
                     fmt::format("\"{}\" is not in {} case like the other instructions", name,
                                 most_lower ? "lower" : "upper"));
            }
        }
    }

    void check_global_args() {
        for (const char* name : {"TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT",
                                 "BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT"}) {
            global_args_.insert(name);
            declared_.insert(name);
        }
        for (const Instruction& instruction : file_.global_args) {
            for (const auto& [name, value] : instruction.pairs) {
                global_args_.insert(name);
                declared_.insert(name);
                if (value) {
                    global_values_[name] = *value;
                }
                check_secret(name, "ARG", instruction.line);
            }
        }
    }

    // [region: check-secrets]
    void check_secret(const std::string& name, const char* verb, int line) {
        static const std::set<std::string> kSecretWords = {
            "apikey",   "auth",  "credential", "credentials", "key",
            "password", "pword", "passwd",     "secret",      "token"};
        bool secret = false;
        std::string_view rest = name;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find('_'), rest.size());
            const std::string word = lower_case(rest.substr(0, end));
            if (word == "public") {
                return;
            }
            secret = secret || kSecretWords.contains(word);
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        if (secret) {
            warn("SecretsUsedInArgOrEnv", line,
                 fmt::format("{} \"{}\": a secret in it stays readable in the image's history; use "
                             "RUN --mount=type=secret",
                             verb, name));
        }
    }
    // [/region]

    void check_from(const BuildStage& stage, const std::optional<std::size_t>& parent) {
        if (has_upper(stage.written_name)) {
            warn("StageNameCasing", stage.line,
                 fmt::format("stage \"{}\": expected lower case", stage.written_name));
        }
        if (!stage.written_as.empty() &&
            is_lower_case(stage.written_as) != is_lower_case(stage.written_from)) {
            warn("FromAsCasing", stage.line,
                 fmt::format("\"{}\" and \"{}\" differ in case", stage.written_from,
                             stage.written_as));
        }
        if (stage.name == "scratch" || stage.name == "context") {
            warn("ReservedStageName", stage.line,
                 fmt::format("\"{}\" has a meaning of its own", stage.name));
        }
        if (stage.platform == "$TARGETPLATFORM" || stage.platform == "${TARGETPLATFORM}") {
            warn("RedundantTargetPlatform", stage.line,
                 "--platform=$TARGETPLATFORM is what FROM does anyway");
        } else if (!stage.platform.empty() && stage.platform.find('$') == std::string::npos) {
            warn("FromPlatformFlagConstDisallowed", stage.line,
                 fmt::format("--platform={}: a fixed platform; expected a variable",
                             stage.platform));
        }
        std::set<std::string> unset;
        std::string base;
        try {
            base = expand(
                stage.base,
                [&](const std::string& name) -> std::optional<std::string> {
                    if (!global_args_.contains(name)) {
                        unset.insert(name);
                    }
                    const auto given = options_.build_args.find(name);
                    if (given != options_.build_args.end() && given->second) {
                        return given->second;
                    }
                    const auto value = global_values_.find(name);
                    return value == global_values_.end() ? std::nullopt
                                                         : std::optional(value->second);
                },
                file_.escape);
        } catch (const InputError& e) {
            warn("InvalidDefaultArgInFrom", stage.line, e.what());
            return;
        }
        for (const std::string& name : unset) {
            warn("UndefinedArgInFrom", stage.line,
                 fmt::format("FROM uses ${}, which no ARG before it declares{}", name,
                             suggestion(name, global_args_)));
        }
        if (unset.empty() && (base.empty() || base.ends_with(':') || base.starts_with(':'))) {
            warn("InvalidDefaultArgInFrom", stage.line,
                 fmt::format("without --build-arg \"{}\" is \"{}\", which names no image",
                             stage.base, base));
        } else if (!parent && base != "scratch" && base.find('@') == std::string::npos) {
            check_tag(stage, base);
        }
    }

    void check_tag(const BuildStage& stage, const std::string& base) {
        const std::string last = base.substr(base.rfind('/') + 1);
        const std::size_t colon = last.find(':');
        if (colon == std::string::npos || last.substr(colon) == ":latest") {
            warn("UnpinnedBaseImage", stage.line,
                 fmt::format("FROM {}: another image tomorrow; expected a tag of a version, or a "
                             "digest",
                             base));
        }
    }

    static std::string suggestion(const std::string& name, const std::set<std::string>& known) {
        const std::string near = nearest(name, {known.begin(), known.end()});
        return near.empty() ? "" : fmt::format("; did you mean ${}?", near);
    }

    void check_stage(const BuildStage& stage) {
        std::optional<std::size_t> parent;
        for (std::size_t i = 0; &file_.stages[i] != &stage; ++i) {
            if (!file_.stages[i].name.empty() && file_.stages[i].name == lower_case(stage.base)) {
                parent = i;
            }
        }
        check_from(stage, parent);
        CheckedStage checked{.stage = stage, .from_scratch = stage.base == "scratch"};
        if (parent) {
            const CheckedStage& above = done_[*parent];
            checked.from_scratch = above.from_scratch;
            checked.workdir_is_absolute = above.workdir_is_absolute;
            checked.shell_is_set = above.shell_is_set;
            checked.variables = above.variables;
        }
        for (const Instruction& instruction : stage.instructions) {
            check_instruction(checked, instruction);
        }
        done_.push_back(std::move(checked));
    }

    void check_instruction(CheckedStage& in, const Instruction& instruction) {
        check_variables(in, instruction);
        switch (instruction.verb) {
            case Verb::Maintainer:
                warn("MaintainerDeprecated", instruction.line,
                     "MAINTAINER is deprecated; use LABEL org.opencontainers.image.authors=");
                break;
            case Verb::Workdir:
                check_workdir(in, instruction);
                break;
            case Verb::Shell:
                in.shell_is_set = true;
                break;
            case Verb::Cmd:
            case Verb::Entrypoint:
            case Verb::Healthcheck:
                check_command(in, instruction);
                break;
            case Verb::Env:
            case Verb::Label:
            case Verb::Arg:
                check_pairs(in, instruction);
                break;
            case Verb::Expose:
                check_ports(instruction);
                break;
            case Verb::Copy:
            case Verb::Add:
                check_sources(instruction);
                break;
            default:
                break;
        }
    }

    void check_workdir(CheckedStage& in, const Instruction& instruction) {
        const std::string& path = instruction.words.front();
        if (path.starts_with('/') || path.starts_with('$')) {
            in.workdir_is_absolute = true;
        } else if (!in.workdir_is_absolute) {
            warn(
                "WorkdirRelativePath", instruction.line,
                fmt::format("\"{}\" depends on the WORKDIR of the base image; expected an absolute "
                            "path",
                            path));
        }
    }

    void check_command(CheckedStage& in, const Instruction& instruction) {
        const std::string name = instruction.text.substr(0, instruction.text.find(' '));
        if (!in.seen.insert(instruction.verb).second) {
            warn("MultipleInstructionsDisallowed", instruction.line,
                 fmt::format("a second {} in this stage: only the last one counts", name));
        }
        if (instruction.verb != Verb::Healthcheck && !instruction.exec_form && !in.shell_is_set) {
            warn("JSONArgsRecommended", instruction.line,
                 fmt::format("{} through a shell does not get the signals of a stop; expected the "
                             "form [\"program\", \"argument\"]",
                             name));
        }
    }

    void check_pairs(CheckedStage& in, const Instruction& instruction) {
        const bool is_label = instruction.verb == Verb::Label;
        for (const auto& [name, value] : instruction.pairs) {
            if (!is_label) {
                in.variables.insert(name);
                check_secret(name, instruction.verb == Verb::Env ? "ENV" : "ARG", instruction.line);
            }
            if (instruction.verb == Verb::Arg) {
                declared_.insert(name);
            }
        }
        const std::string& first = instruction.pairs.front().first;
        const std::size_t at = instruction.text.find(first);
        const bool legacy = instruction.verb != Verb::Arg && at != std::string::npos &&
                            instruction.text.substr(at + first.size(), 1) != "=";
        if (legacy) {
            warn("LegacyKeyValueFormat", instruction.line,
                 fmt::format("\"{0} {1} value\": expected \"{0} {1}=value\"",
                             instruction.verb == Verb::Env ? "ENV" : "LABEL", first));
        }
    }

    void check_ports(const Instruction& instruction) {
        for (const std::string& word : instruction.words) {
            const std::size_t slash = word.find('/');
            if (slash != std::string::npos && has_upper(word.substr(slash))) {
                warn("ExposeProtoCasing", instruction.line,
                     fmt::format("\"{}\": expected the protocol in lower case", word));
            }
            if (word.find(':') != std::string::npos && word.find('$') == std::string::npos) {
                warn("ExposeInvalidFormat", instruction.line,
                     fmt::format("\"{}\": an address or a port of the host has no place here",
                                 word));
            }
        }
    }

    void check_sources(const Instruction& instruction) {
        if (options_.ignored == nullptr || instruction.flags.contains("from")) {
            return;
        }
        for (std::size_t i = 0; i + 1 < instruction.words.size(); ++i) {
            std::string source = instruction.words[i];
            while (source.starts_with("./") || source.starts_with('/')) {
                source.erase(0, source.starts_with('/') ? 1 : 2);
            }
            if (!source.empty() && source != "." && source.find('$') == std::string::npos &&
                options_.ignored->ignores(source) &&
                !options_.ignored->may_hold_exceptions(source)) {
                warn("CopyIgnoredFile", instruction.line,
                     fmt::format("\"{}\" is left out by .dockerignore", instruction.words[i]));
            }
        }
    }

    /// Only where they are replaced; and what a base image sets is not known here.
    void check_variables(const CheckedStage& in, const Instruction& instruction) {
        const auto look = [&](const std::string& text) {
            try {
                static_cast<void>(expand(
                    text,
                    [&](const std::string& name) {
                        if (!in.variables.contains(name)) {
                            const std::string near = suggestion(name, in.variables);
                            if (in.from_scratch || !near.empty()) {
                                warn("UndefinedVar", instruction.line,
                                     fmt::format("${} is not set here{}", name, near));
                            }
                        }
                        return std::optional<std::string>("x");
                    },
                    file_.escape));
            } catch (const InputError&) {
                return;  // the build says it better
            }
        };
        const std::set<Verb> kKept = {Verb::Run,         Verb::Cmd,     Verb::Entrypoint,
                                      Verb::Healthcheck, Verb::OnBuild, Verb::Shell,
                                      Verb::Maintainer};
        if (kKept.contains(instruction.verb)) {
            return;
        }
        std::ranges::for_each(instruction.words, look);
        for (const auto& [name, value] : instruction.pairs) {
            look(value.value_or(""));
        }
    }

    void check_build_args() {
        for (const auto& [name, value] : options_.build_args) {
            if (!declared_.contains(name) && !lower_case(name).ends_with("_proxy") &&
                name != "SOURCE_DATE_EPOCH") {
                warn("UnknownBuildArg", 0,
                     fmt::format("--build-arg {}: no ARG declares it{}", name,
                                 suggestion(name, declared_)));
            }
        }
    }

    const Dockerfile& file_;
    const CheckOptions& options_;
    std::set<std::string> global_args_{};
    std::map<std::string, std::string> global_values_{};
    std::set<std::string> declared_{};
    std::vector<CheckedStage> done_{};
    std::vector<DockerfileWarning> warnings_{};
};

}  // namespace

DockerfileCheck check_dockerfile(const Dockerfile& file, const CheckOptions& options) {
    DockerfileCheck result;
    std::set<std::string> skipped;
    std::string_view rest = file.check;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(';'), rest.size());
        const std::string setting(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (setting == "error=true") {
            result.error = true;
        } else if (setting.starts_with("skip=")) {
            std::string_view names = std::string_view(setting).substr(5);
            while (!names.empty()) {
                const std::size_t comma = std::min(names.find(','), names.size());
                skipped.emplace(names.substr(0, comma));
                names.remove_prefix(std::min(comma + 1, names.size()));
            }
        }
    }
    result.warnings = DockerfileChecker(file, options).run();
    std::erase_if(result.warnings, [&](const DockerfileWarning& warning) {
        return skipped.contains("all") || skipped.contains(warning.rule);
    });
    return result;
}

std::string check_text(const DockerfileCheck& check, const std::string& file) {
    std::string text;
    for (const DockerfileWarning& warning : check.warnings) {
        const std::string place =
            warning.line == 0 ? "" : fmt::format("{}:{}: ", file, warning.line);
        text += fmt::format("{}{}: {}\n", place, warning.rule, warning.text);
    }
    const std::size_t count = check.warnings.size();
    return text + (count == 0 ? "Check complete, no warnings found.\n"
                   : count == 1
                       ? "Check complete, 1 warning has been found!\n"
                       : fmt::format("Check complete, {} warnings have been found!\n", count));
}

}  // namespace drydock
