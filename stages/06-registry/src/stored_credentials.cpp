#include "06-registry/stored_credentials.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

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

/// Runs docker-credential-NAME get: the server's name on its stdin, never among its arguments.
HelperAnswer ask_helper(const std::string& program, const std::string& server) {
    // No pipe: a helper that ends without reading would end us with SIGPIPE.
    const UniqueFd in(check(::memfd_create("drydock", MFD_CLOEXEC), "memfd_create(drydock)"));
    write_all(in.get(), server + "\n", program);
    check(::lseek(in.get(), 0, SEEK_SET), "lseek(memfd, 0)");
    Pipe out = make_pipe();
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in.get(), 0);
    ::posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
    std::string name = program;
    std::string verb = "get";
    char* argv[] = {name.data(), verb.data(), nullptr};
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, name.c_str(), &actions, nullptr, argv, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        throw InputError(fmt::format("{}: {} names it for {}, and it cannot be started: {}",
                                     program, docker_config_file().native(), server,
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

Credentials from_helper(const std::string& name, const std::string& server) {
    if (name.find('/') != std::string::npos) {
        throw InputError(fmt::format("credential helper \"{}\": expected a name without /", name));
    }
    const std::string program = "docker-credential-" + name;
    const HelperAnswer answer = ask_helper(program, server);
    if (answer.status != 0) {
        if (answer.text.find("credentials not found") != std::string::npos) {
            return {};
        }
        throw InputError(fmt::format("{} get: exit status {}: {}", program, answer.status,
                                     answer.text.substr(0, 200)));
    }
    const json parsed = json::parse(answer.text, nullptr, false);
    Credentials credentials{.user = string_at(parsed, "Username"),
                            .password = string_at(parsed, "Secret")};
    if (credentials.user == "<token>") {
        throw NotImplemented(fmt::format("identity tokens ({} has one for {})", program, server));
    }
    return credentials;
}

}  // namespace

// [region: stored-credentials]
Credentials stored_credentials(const std::string& domain) {
    const fs::path path = docker_config_file();
    if (!fs::exists(path)) {
        return {};
    }
    const json config = json::parse(read_file(path, std::size_t{1} << 20U), nullptr, false);
    if (!config.is_object()) {
        throw InputError(fmt::format("{}: expected a JSON object", path.native()));
    }
    const std::string server = server_name(domain);
    std::string helper = string_at(config, "credsStore");
    if (config.contains("credHelpers") &&
        !string_at(config["credHelpers"], domain.c_str()).empty()) {
        helper = string_at(config["credHelpers"], domain.c_str());
    }
    if (!helper.empty()) {
        return from_helper(helper, server);
    }
    const auto auths = config.find("auths");
    if (auths == config.end() || !auths->is_object()) {
        return {};
    }
    for (const std::string& key : {server, "https://" + domain, "http://" + domain}) {
        if (!auths->contains(key)) {
            continue;
        }
        const json& entry = (*auths)[key];
        if (!string_at(entry, "identitytoken").empty()) {
            throw NotImplemented(
                fmt::format("identity tokens ({} has one for {})", path.native(), key));
        }
        // "auth" is the value of a Basic header.
        return parse_basic_authorization("Basic " + string_at(entry, "auth"))
            .value_or(Credentials{});
    }
    return {};
}
// [/region]

}  // namespace drydock
