#include "06-registry/stored_credentials.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "06-registry/base64.hpp"

namespace drydock {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::size_t kMaxAnswer = std::size_t{64} << 10U;

fs::path docker_config_file() {
    const char* given = std::getenv("DOCKER_CONFIG");  // NOLINT(concurrency-mt-unsafe)
    const char* home = std::getenv("HOME");            // NOLINT(concurrency-mt-unsafe)
    return given != nullptr ? fs::path(given) / "config.json"
                            : fs::path(home != nullptr ? home : "/") / ".docker/config.json";
}

/// The key of docker's files for a registry.
std::string server_name(const std::string& domain) {
    return domain == "docker.io" ? "https://index.docker.io/v1/" : domain;
}

std::string string_at(const json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() && found->is_string()
               ? found->get<std::string>()
               : "";
}

struct HelperAnswer {
    int status = 0;
    std::string text{};
};

/// Runs docker-credential-NAME VERB: what it works on goes to its stdin, never among its arguments.
HelperAnswer ask_helper(const std::string& program, std::string verb, const std::string& input) {
    // No pipe: a helper that ends without reading would end us with SIGPIPE.
    const UniqueFd in(check(::memfd_create("drydock", MFD_CLOEXEC), "memfd_create(drydock)"));
    write_all(in.get(), input, program);
    check(::lseek(in.get(), 0, SEEK_SET), "lseek(memfd, 0)");
    Pipe out = make_pipe();
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in.get(), 0);
    ::posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
    std::string name = program;
    char* argv[] = {name.data(), verb.data(), nullptr};
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, name.c_str(), &actions, nullptr, argv, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        throw InputError(fmt::format("{}: {} names it, and it cannot be started: {}", program,
                                     docker_config_file().native(),
                                     std::system_category().message(error)));
    }
    out.write.close();
    HelperAnswer answer{.text = read_all(out.read.get(), kMaxAnswer, program)};
    int status = 0;
    while (::waitpid(pid, &status, 0) == -1 && errno == EINTR) {
    }
    answer.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    return answer;
}

/// @return nothing when the helper does not know the registry
std::optional<std::string> with_helper(const std::string& name, const std::string& verb,
                                       const std::string& input) {
    if (name.find('/') != std::string::npos) {
        throw InputError(fmt::format("credential helper \"{}\": expected a name without /", name));
    }
    const std::string program = "docker-credential-" + name;
    const HelperAnswer answer = ask_helper(program, verb, input);
    if (answer.status == 0) {
        return answer.text;
    }
    if (answer.text.find("credentials not found") != std::string::npos) {
        return std::nullopt;
    }
    throw InputError(fmt::format("{} {}: exit status {}: {}", program, verb, answer.status,
                                 answer.text.substr(0, 200)));
}

Credentials from_helper(const std::string& name, const std::string& server) {
    const auto answer = with_helper(name, "get", server + "\n");
    const json parsed = json::parse(answer.value_or("{}"), nullptr, false);
    const std::string user = string_at(parsed, "Username");
    const std::string secret = string_at(parsed, "Secret");
    return user == "<token>" ? Credentials{.identity_token = secret}
                             : Credentials{.user = user, .password = secret};
}

/// An empty object when there is no file.
json read_config(const fs::path& path) {
    if (!fs::exists(path)) {
        return json::object();
    }
    json config = json::parse(read_file(path, std::size_t{1} << 20U), nullptr, false);
    if (!config.is_object()) {
        throw InputError(fmt::format("{}: expected a JSON object", path.native()));
    }
    return config;
}

/// Behind a link, if it is one: that stays.
void write_config(const fs::path& path, const json& config) {
    const fs::path target = fs::exists(path) ? fs::canonical(path) : path;
    if (::mkdir(target.parent_path().c_str(), 0700) == -1 && errno != EEXIST) {
        check(-1, "mkdir({})", target.parent_path().native());
    }
    const UniqueFd directory = open_file(target.parent_path(), O_RDONLY | O_DIRECTORY);
    replace_file(directory.get(), target.filename().native(),
                 config.dump(1, '\t', false, json::error_handler_t::replace) + "\n", 0600);
}

/// The helper for the registry; empty: there is none.
std::string helper_for(const json& config, const std::string& domain, const std::string& server) {
    const auto helpers = config.find("credHelpers");
    if (helpers != config.end() && helpers->is_object()) {
        for (const std::string& key : {domain, server}) {
            if (const std::string helper = string_at(*helpers, key.c_str()); !helper.empty()) {
                return helper;
            }
        }
    }
    return string_at(config, "credsStore");
}

/// Docker's AuthConfig.
json auth_object(const Credentials& credentials, const std::string& domain) {
    json value = {{"serveraddress", server_name(domain)}};
    if (!credentials.identity_token.empty()) {
        value["identitytoken"] = credentials.identity_token;
    } else {
        value["username"] = credentials.user;
        value["password"] = credentials.password;
    }
    return value;
}

std::vector<std::string> keys_for(const std::string& domain) {
    return {server_name(domain), "https://" + domain, "http://" + domain};
}

}  // namespace

// [region: stored-credentials]
Credentials stored_credentials(const std::string& domain) {
    const json config = read_config(docker_config_file());
    if (const std::string helper = helper_for(config, domain, server_name(domain));
        !helper.empty()) {
        return from_helper(helper, server_name(domain));
    }
    const auto auths = config.find("auths");
    if (auths == config.end() || !auths->is_object()) {
        return {};
    }
    for (const std::string& key : keys_for(domain)) {
        if (!auths->contains(key)) {
            continue;
        }
        const json& entry = (*auths)[key];
        if (const std::string token = string_at(entry, "identitytoken"); !token.empty()) {
            return {.identity_token = token};
        }
        const std::string pair = from_base64(string_at(entry, "auth")).value_or("");
        const std::size_t colon = pair.find(':');
        return colon == std::string::npos
                   ? Credentials{}
                   : Credentials{.user = pair.substr(0, colon), .password = pair.substr(colon + 1)};
    }
    return {};
}
// [/region]

fs::path store_credentials(const std::string& domain, const Credentials& credentials) {
    const fs::path path = docker_config_file();
    json config = read_config(path);
    const std::string server = server_name(domain);
    json& entry = config["auths"][server];
    entry = json::object();
    const std::string helper = helper_for(config, domain, server);
    const bool token = !credentials.identity_token.empty();
    if (!helper.empty()) {
        const json secret = {{"ServerURL", server},
                             {"Username", token ? "<token>" : credentials.user},
                             {"Secret", token ? credentials.identity_token : credentials.password}};
        with_helper(helper, "store", secret.dump());
    } else if (token) {
        entry["identitytoken"] = credentials.identity_token;
    } else {
        entry["auth"] = to_base64(credentials.user + ":" + credentials.password);
    }
    write_config(path, config);
    return helper.empty() ? path : fs::path();
}

bool erase_credentials(const std::string& domain) {
    const fs::path path = docker_config_file();
    json config = read_config(path);
    const std::string server = server_name(domain);
    bool known = false;
    if (const std::string helper = helper_for(config, domain, server); !helper.empty()) {
        known = with_helper(helper, "erase", server + "\n").has_value();
    }
    if (const auto auths = config.find("auths"); auths != config.end() && auths->is_object()) {
        for (const std::string& key : keys_for(domain)) {
            known = auths->erase(key) != 0 || known;
        }
        write_config(path, config);
    }
    return known;
}

std::string registry_domain(const std::string& server) {
    std::string domain = server;
    if (const std::size_t scheme = domain.find("://"); scheme != std::string::npos) {
        domain.erase(0, scheme + 3);
    }
    domain.resize(std::min(domain.find('/'), domain.size()));
    const bool hub =
        domain.empty() || domain == "index.docker.io" || domain == "registry-1.docker.io";
    return hub ? "docker.io" : domain;
}

std::string registry_of_image(const std::string& image) {
    const std::size_t slash = image.find('/');
    const std::string first = image.substr(0, slash);
    const bool is_domain =
        slash != std::string::npos &&
        (first == "localhost" || first.find_first_of(".:") != std::string::npos ||
         std::ranges::any_of(first, [](char c) { return c >= 'A' && c <= 'Z'; }));
    return registry_domain(is_domain ? first : "");
}

std::string registry_config_header() {
    const json config = read_config(docker_config_file());
    json registries = json::object();
    for (const char* list : {"auths", "credHelpers"}) {
        const auto found = config.find(list);
        if (found == config.end() || !found->is_object()) {
            continue;
        }
        for (const auto& [server, nothing] : found->items()) {
            const std::string domain = registry_domain(server);
            try {
                if (const Credentials kept = stored_credentials(domain); !kept.anonymous()) {
                    registries[server_name(domain)] = auth_object(kept, domain);
                }
            } catch (const InputError&) {  // NOLINT(bugprone-empty-catch): a build that needs that
                                           // one fails, and no other
            }
        }
    }
    return registries.empty()
               ? ""
               : to_base64(registries.dump(-1, ' ', false, json::error_handler_t::replace), true);
}

std::string registry_auth_header(const Credentials& credentials, const std::string& domain) {
    if (credentials.anonymous()) {
        return "";
    }
    const json value = auth_object(credentials, domain);
    return to_base64(value.dump(-1, ' ', false, json::error_handler_t::replace), true);
}

}  // namespace drydock
