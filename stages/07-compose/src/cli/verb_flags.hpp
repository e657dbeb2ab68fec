#pragma once

// Flags of verbs. CLI11 is slow to compile: only the files that define verbs include this.

#include <optional>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "07-compose/cli/commands.hpp"

namespace drydock::cli {

/// An app for the flags of one verb, without "-h" (which is --hostname for some of them).
inline void prepare(CLI::App& app, const Invocation& invocation) {
    app.name(invocation.name);
    app.set_help_flag("--help", "print this and end");
}

/// Parses; gives the exit status to end with after --help (0) or an error (125), which has been
/// printed.
std::optional<int> parse(CLI::App& app, const Invocation& invocation);

/// One value each time it is given: "-e A=1 -e B=2 IMAGE" must not take IMAGE.
inline CLI::Option* add_list(CLI::App& app, const std::string& names,
                             std::vector<std::string>& values, const std::string& summary) {
    return app.add_option(names, values, summary)->allow_extra_args(false);
}

/// Does `act` for each of `names`, goes on after a refusal, and prints each name that went well.
/// @return 0, or 1 when one was refused
int for_each_name(const std::vector<std::string>& names, const std::string& program,
                  const std::function<std::string(const std::string&)>& act);

/// Prints what `find` gives for each of `names`: one array of all, or a line each by the template
/// `format`. Goes on after a refusal.
/// @return 0, or 1 when one was refused
int inspect_each(const std::vector<std::string>& names, const std::string& format,
                 const std::string& program,
                 const std::function<nlohmann::json(const std::string&)>& find);

/// Does the one of `verbs` that the first argument names: "volume rm".
/// @throws InputError when it names none
int run_group(const Invocation& invocation, std::span<const Verb> verbs);

/// Asks, as docker does before it prunes.
bool confirmed(std::string_view what);
void print_pruned(std::string_view heading, const nlohmann::json& names, std::uint64_t bytes);

/// JSON for the API's `filters`, from "key=value" as --filter takes them; "" for none.
std::string filters_parameter(const std::vector<std::string>& filters);

}  // namespace drydock::cli
