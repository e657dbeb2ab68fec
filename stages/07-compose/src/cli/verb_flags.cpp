#include "verb_flags.hpp"

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/rows.hpp"

namespace drydock::cli {

std::optional<int> parse(CLI::App& app, const Invocation& invocation) {
    try {
        // CLI11 takes them from the back.
        app.parse(
            std::vector<std::string>(invocation.arguments.rbegin(), invocation.arguments.rend()));
        return std::nullopt;
    } catch (const CLI::Success& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        std::cerr << invocation.name << ": " << e.what() << "\nSee '" << invocation.name
                  << " --help'.\n";
        return kSetupFailed;
    }
}

int for_each_name(const std::vector<std::string>& names, const std::string& program,
                  const std::function<std::string(const std::string&)>& act) {
    int status = 0;
    for (const std::string& name : names) {
        try {
            if (const std::string line = act(name); !line.empty()) {
                fmt::print("{}\n", line);
            }
        } catch (const EngineError& e) {
            static_cast<void>(std::fprintf(stderr, "%s: %s\n", program.c_str(), e.what()));
            status = 1;
        }
    }
    return status;
}

int inspect_each(const std::vector<std::string>& names, const std::string& format,
                 const std::string& program,
                 const std::function<nlohmann::json(const std::string&)>& find) {
    using nlohmann::json;
    json found = json::array();
    const int status = for_each_name(names, program, [&](const std::string& name) -> std::string {
        found.push_back(find(name));
        return format.empty() ? "" : render_template(format, found.back());
    });
    if (format.empty()) {
        fmt::print("{}\n",
                   found.dump(4, ' ', is_terminal(STDOUT_FILENO), json::error_handler_t::replace));
    }
    return status;
}

std::string filters_parameter(const std::vector<std::string>& filters) {
    nlohmann::json result = nlohmann::json::object();
    for (const std::string& filter : filters) {
        const auto equals = filter.find('=');
        if (equals == std::string::npos || equals == 0) {
            throw InputError(
                fmt::format("--filter \"{}\": expected KEY=VALUE, like status=running", filter));
        }
        result[filter.substr(0, equals)][filter.substr(equals + 1)] = true;
    }
    return filters.empty() ? "" : result.dump();
}

}  // namespace drydock::cli
