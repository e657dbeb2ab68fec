#include "api/rootless_namespaces.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill(2)
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/id_map.hpp"
#include "02-namespaces/link.hpp"
#include "02-namespaces/rootfs.hpp"
#include "07-compose/api/rootless.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStateFile = "rootless.json";
constexpr int kNetworkReadyMs = 10'000;

void say(const std::string& text) {
    fmt::print(stderr, "drydock-daemon: rootless: {}\n", text);
}

std::string file_or_nothing(const char* path) {
    try {
        return read_file(path);
    } catch (const std::system_error&) {
        return {};
    }
}

std::string user_name() {
    const passwd* entry = ::getpwuid(::getuid());  // NOLINT(concurrency-mt-unsafe): one thread
    return entry == nullptr ? std::string() : entry->pw_name;
}

/// "NAME:FIRST:COUNT" for that user, by name or number; count 0 when there is none.
IdRange sub_range(std::string_view text, const std::string& user, unsigned id) {
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string name;
        std::string first;
        std::string count;
        std::getline(fields, name, ':');
        std::getline(fields, first, ':');
        std::getline(fields, count);
        IdRange range{.inside = 1};
        const auto read = [](const std::string& word, std::uint32_t& into) {
            const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), into);
            return error == std::errc() && end == word.data() + word.size();
        };
        const bool mine = (!user.empty() && name == user) || name == std::to_string(id);
        if (mine && read(first, range.outside) && read(count, range.count) && range.count > 0) {
            return range;
        }
    }
    return {};
}

/// Gives the new user namespace its IDs: the ranges, or the one ID and a word about it.
void give_ids(pid_t holder) {
    const IdMaps maps =
        rootless_id_maps(file_or_nothing("/etc/subuid"), file_or_nothing("/etc/subgid"),
                         user_name(), ::getuid(), ::getgid());
    std::string why =
        fmt::format("/etc/subuid and /etc/subgid have no range for user {}", ::getuid());
    if (maps.uids.size() > 1) {
        try {
            write_id_maps(holder, maps);
            return;
        } catch (const std::exception& e) {
            why = e.what();
        }
    }
    say(
        fmt::format("one user ID only ({}): images whose files have several owners cannot be "
                    "unpacked, and containers run as root inside",
                    why));
    write_id_maps(holder, own_id_maps());
}

/// The process that holds the namespaces.
[[noreturn]] void hold_namespaces(int ready, int go_on) {
    char byte = 0;
    write_all(ready, "u", "ready");
    if (::read(go_on, &byte, 1) != 1) {
        ::_exit(1);
    }
    become_root_inside();
    make_mounts_private();
    loopback_up();
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::dup2(null, fd);
    }
    ::setsid();
    ::prctl(PR_SET_NAME, "drydock-hold");
    write_all(ready, "r", "ready");
    ::syscall(SYS_close_range, 3U, ~0U, 0U);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    while (true) {
        ::pause();
    }
}

void await_byte(int fd, const char* what) {
    char byte = 0;
    if (::read(fd, &byte, 1) != 1) {
        throw SetupError(fmt::format("rootless: {} failed", what), {}, kSetupFailed);
    }
}

ProcessIdentity make_holder() {
    Pipe ready = make_pipe();
    Pipe go_on = make_pipe();
    Child child = clone_child(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET);
    if (!child) {
        ready.read = UniqueFd();
        go_on.write = UniqueFd();
        try {
            hold_namespaces(ready.write.get(), go_on.read.get());
        } catch (const std::exception& e) {
            say(e.what());
            ::_exit(1);
        }
    }
    ready.write = UniqueFd();
    go_on.read = UniqueFd();
    await_byte(ready.read.get(), "the new namespaces");
    give_ids(child.pid());
    write_all(go_on.write.get(), "g", "go on");
    await_byte(ready.read.get(), "the set-up of the new namespaces");
    const ProcessIdentity holder = identify(child.pid()).value_or(ProcessIdentity{});
    child.release();
    return holder;
}

std::string first_in_path(const char* program) {
    const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): one thread
    std::istringstream directories(fmt::format("{}:/usr/bin:/bin", path == nullptr ? "" : path));
    for (std::string directory; std::getline(directories, directory, ':');) {
        const fs::path candidate = fs::path(directory) / program;
        if (candidate.is_absolute() && ::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
    }
    return {};
}

/// Starts a program in a session of its own. @return its pid
pid_t spawn_network(std::vector<std::string> words, int ready_fd) {
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    }
    ::posix_spawn_file_actions_adddup2(&actions, ready_fd, 3);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    pid_t pid = 0;
    const int error =
        ::posix_spawn(&pid, argv.front(), &actions, &attributes, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    return error == 0 ? pid : 0;
}

/// pasta goes into the background by itself once it is ready. @return its pid there, 0 if it failed
pid_t start_pasta(const std::string& program, pid_t holder, const fs::path& run_root) {
    const fs::path pid_file = run_root / "pasta.pid";
    const UniqueFd null = open_file("/dev/null", O_RDWR);
    const pid_t pid = spawn_network(
        {program, "--quiet", "--config-net", "--no-map-gw", "-t", "none", "-u", "none", "-T",
         "none", "-U", "none", "--pid", pid_file.native(), std::to_string(holder)},
        null.get());
    int status = -1;
    if (pid == 0 || ::waitpid(pid, &status, 0) != pid || status != 0) {
        return 0;
    }
    return static_cast<pid_t>(std::strtol(file_or_nothing(pid_file.c_str()).c_str(), nullptr, 10));
}

/// slirp4netns stays, and writes to descriptor 3 when it is ready.
pid_t start_slirp(const std::string& program, pid_t holder) {
    Pipe ready = make_pipe();
    const pid_t pid =
        spawn_network({program, "--configure", "--mtu=65520", "--disable-host-loopback",
                       "--ready-fd=3", std::to_string(holder), "tap0"},
                      ready.write.get());
    ready.write = UniqueFd();
    pollfd event{.fd = ready.read.get(), .events = POLLIN, .revents = 0};
    char byte = 0;
    if (pid == 0) {
        return 0;
    }
    if (::poll(&event, 1, kNetworkReadyMs) != 1 || ::read(ready.read.get(), &byte, 1) != 1) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return 0;
    }
    return pid;
}

ProcessIdentity connect_to_outside(pid_t holder, const fs::path& run_root) {
    const std::string pasta = first_in_path("pasta");
    const std::string slirp = first_in_path("slirp4netns");
    pid_t pid = pasta.empty() ? 0 : start_pasta(pasta, holder, run_root);
    if (pid == 0 && !slirp.empty()) {
        pid = start_slirp(slirp, holder);
    }
    if (pid == 0) {
        say(
            fmt::format("{}: containers reach each other and published ports work, but nothing "
                        "outside is reached; install passt or slirp4netns",
                        pasta.empty() && slirp.empty() ? "no pasta and no slirp4netns"
                                                       : "pasta and slirp4netns do not start"));
        return {};
    }
    return identify(pid).value_or(ProcessIdentity{});
}

nlohmann::json process_json(const ProcessIdentity& process) {
    return {{"pid", process.pid}, {"start_time", process.start_time}};
}

ProcessIdentity stored_process(const nlohmann::json& json) {
    return {.pid = json.at("pid"), .start_time = json.at("start_time")};
}

RootlessNamespaces stored_namespaces(const fs::path& run_root) {
    try {
        const auto json = nlohmann::json::parse(read_file(run_root / kStateFile));
        return {.holder = stored_process(json.at("holder")),
                .network = stored_process(json.at("network"))};
    } catch (const std::exception&) {
        return {};  // none so far
    }
}

void end_process(const ProcessIdentity& process) {
    if (process.pid > 0 && alive(process)) {
        ::kill(process.pid, SIGKILL);
    }
}

}  // namespace

IdMaps rootless_id_maps(std::string_view subuid, std::string_view subgid, const std::string& user,
                        unsigned uid, unsigned gid) {
    IdMaps maps{.uids = {{.inside = 0, .outside = uid, .count = 1}},
                .gids = {{.inside = 0, .outside = gid, .count = 1}}};
    const IdRange uids = sub_range(subuid, user, uid);
    const IdRange gids = sub_range(subgid, user, uid);
    if (uids.count != 0 && gids.count != 0) {
        maps.uids.push_back(uids);
        maps.gids.push_back(gids);
    }
    return maps;
}

RootlessNamespaces rootless_namespaces(const fs::path& run_root) {
    RootlessNamespaces namespaces = stored_namespaces(run_root);
    if (alive(namespaces.holder)) {
        return namespaces;
    }
    end_process(namespaces.network);
    namespaces.holder = make_holder();
    namespaces.network = connect_to_outside(namespaces.holder.pid, run_root);
    const UniqueFd directory = open_file(run_root, O_DIRECTORY | O_RDONLY);
    replace_file(directory.get(), kStateFile,
                 nlohmann::json{{"holder", process_json(namespaces.holder)},
                                {"network", process_json(namespaces.network)}}
                     .dump(),
                 0600, Lasts::Kill);
    return namespaces;
}

void end_rootless_namespaces(const RootlessNamespaces& namespaces, const fs::path& run_root) {
    end_process(namespaces.network);
    end_process(namespaces.holder);
    static_cast<void>(::unlink((run_root / kStateFile).c_str()));
}

void enter_rootless_namespaces(const RootlessNamespaces& namespaces) {
    std::vector<std::pair<UniqueFd, int>> opened;
    for (const auto& [name, flag] :
         {std::pair("user", CLONE_NEWUSER), {"mnt", CLONE_NEWNS}, {"net", CLONE_NEWNET}}) {
        opened.emplace_back(
            open_file(fmt::format("/proc/{}/ns/{}", namespaces.holder.pid, name), O_RDONLY), flag);
    }
    for (const auto& [fd, flag] : opened) {
        check(::setns(fd.get(), flag), "setns({})", clone_flag_names(static_cast<unsigned>(flag)));
    }
    become_root_inside();
}

}  // namespace drydock
