// login, logout, search.
#include <termios.h>
#include <unistd.h>

#include <iostream>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "06-registry/stored_credentials.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/progress.hpp"
#include "07-compose/cli/rows.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

/// What a person types, without the line's end; not shown when `hidden`.
std::string ask(const char* question, bool hidden) {
    fmt::print(stderr, "{}", question);
    termios before{};
    const bool quiet = hidden && ::tcgetattr(STDIN_FILENO, &before) == 0;
    if (quiet) {
        termios silent = before;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        static_cast<void>(::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent));
    }
    std::string line;
    std::getline(std::cin, line);
    if (quiet) {
        static_cast<void>(::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before));
        fmt::print(stderr, "\n");
    }
    return line;
}

/// All of standard input, without the line's end.
std::string password_of_stdin() {
    std::string text(std::istreambuf_iterator<char>(std::cin), {});
    while (text.ends_with('\n') || text.ends_with('\r')) {
        text.pop_back();
    }
    return text;
}

/// As docker asks: by flag, by standard input, or on a terminal.
Credentials wanted_credentials(std::string user, std::string password, bool from_stdin) {
    if (!password.empty() && from_stdin) {
        throw InputError("--password and --password-stdin are mutually exclusive");
    }
    if (from_stdin && user.empty()) {
        throw InputError("Must provide --username with --password-stdin");
    }
    if (!password.empty()) {
        fmt::print(stderr,
                   "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
    }
    if (from_stdin) {
        password = password_of_stdin();
    } else if ((user.empty() || password.empty()) && !is_terminal(STDIN_FILENO)) {
        throw InputError(
            "Cannot perform an interactive login from a non TTY device; use --username and "
            "--password-stdin");
    }
    if (user.empty()) {
        user = ask("Username: ", false);
    }
    if (password.empty()) {
        password = ask("Password: ", true);
    }
    if (user.empty() || password.empty()) {
        throw InputError("username and password: expected both");
    }
    return {.user = user, .password = password};
}

}  // namespace

int run_login(const Invocation& invocation) {
    CLI::App app("Logs in to a registry, and keeps the credentials for pull and push");
    prepare(app, invocation);
    std::string server;
    std::string user;
    std::string password;
    bool from_stdin = false;
    app.add_option("-u,--username", user, "who");
    app.add_option("-p,--password", password, "others on this machine can read it: see below");
    app.add_flag("--password-stdin", from_stdin, "read it from standard input");
    app.add_option("SERVER", server, "HOST[:PORT] (docker.io)")->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    Credentials credentials = wanted_credentials(user, password, from_stdin);
    const std::string domain = registry_domain(server);
    const json answer = invocation.engine().post("/auth", {},
                                                 json{{"username", credentials.user},
                                                      {"password", credentials.password},
                                                      {"serveraddress", domain}}
                                                     .dump());
    if (const std::string token = answer.value("IdentityToken", ""); !token.empty()) {
        credentials = {.identity_token = token};
    }
    if (const auto file = store_credentials(domain, credentials); !file.empty()) {
        fmt::print(stderr,
                   "WARNING! Your password will be stored unencrypted in {}.\n"
                   "Configure a credential helper to remove this warning.\n",
                   file.native());
    }
    fmt::print("{}\n", printable(answer.value("Status", "Login Succeeded")));
    return 0;
}

int run_logout(const Invocation& invocation) {
    CLI::App app("Forgets the credentials for a registry");
    prepare(app, invocation);
    std::string server;
    app.add_option("SERVER", server, "HOST[:PORT] (docker.io)")->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const std::string domain = registry_domain(server);
    fmt::print("{}\n", erase_credentials(domain) ? "Removing login credentials for " + domain
                                                 : "Not logged in to " + domain);
    return 0;
}

int run_search(const Invocation& invocation) {
    CLI::App app("Looks for images in a registry");
    prepare(app, invocation);
    std::string term;
    unsigned limit = 25;
    Listing listing;
    app.add_option("--limit", limit, "how many at most")->check(CLI::Range(1, 100));
    app.add_option("--format", listing.format, "table, json, or a template like '{{.Name}}'");
    app.add_option("TERM", term, "[HOST[:PORT]/]PART-OF-A-NAME")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    listing.columns = {{"NAME", "Name"},
                       {"DESCRIPTION", "Description"},
                       {"STARS", "StarCount"},
                       {"OFFICIAL", "IsOfficial"}};
    std::vector<json> rows;
    for (const json& found : invocation.engine().get(
             "/images/search", {{"term", term}, {"limit", fmt::to_string(limit)}},
             stored_auth_for(term))) {
        rows.push_back({{"Name", found.value("name", "")},
                        {"Description", found.value("description", "")},
                        {"StarCount", fmt::to_string(found.value("star_count", 0L))},
                        {"IsOfficial", found.value("is_official", false) ? "[OK]" : ""}});
    }
    fmt::print("{}", list_text(listing, rows));
    return 0;
}

}  // namespace drydock::cli
