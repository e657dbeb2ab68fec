// drydock-probe: prints, as one JSON document, the world as a process sees it. Tests and labs put
// it into a container and compare what it says with what they see from outside.
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::string read_file(const fs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The names of a directory's entries; null when it cannot be read.
json names_in(const fs::path& path) {
    std::error_code error;
    json names = json::array();
    for (const auto& entry : fs::directory_iterator(path, error)) {
        names.push_back(entry.path().filename().native());
    }
    return error ? json() : names;
}

json namespaces() {
    json result = json::object();
    for (const char* name : {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}) {
        struct stat status{};
        const fs::path path = fs::path("/proc/self/ns") / name;
        if (::stat(path.c_str(), &status) == 0) {
            result[name] = status.st_ino;
        }
    }
    return result;
}

json status_fields() {
    json result = json::object();
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);) {
        const auto colon = line.find(":\t");
        if (colon != std::string::npos) {
            result[line.substr(0, colon)] = line.substr(colon + 2);
        }
    }
    return result;
}

json lines_of(const fs::path& path) {
    json result = json::array();
    std::istringstream in(read_file(path));
    for (std::string line; std::getline(in, line);) {
        result.push_back(line);
    }
    return result;
}

json visible_processes() {
    json result = json::array();
    for (const json& name : names_in("/proc")) {
        const auto& text = name.get_ref<const std::string&>();
        if (text.find_first_not_of("0123456789") == std::string::npos) {
            result.push_back(std::stoi(text));
        }
    }
    return result;
}

/// Descriptors found by asking for each: the probe's own reading of /proc/self/fd would show one
/// more.
json open_descriptors() {
    json result = json::object();
    for (int fd = 0; fd < 1024; ++fd) {
        if (::fcntl(fd, F_GETFD) != -1) {
            std::array<char, 4096> target{};
            const std::string link = "/proc/self/fd/" + std::to_string(fd);
            const ssize_t n = ::readlink(link.c_str(), target.data(), target.size() - 1);
            result[std::to_string(fd)] =
                n < 0 ? "" : std::string(target.data(), static_cast<std::size_t>(n));
        }
    }
    return result;
}

json limits() {
    json result = json::object();
    const std::pair<const char*, __rlimit_resource> kinds[] = {
        {"core", RLIMIT_CORE}, {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}};
    for (const auto& [name, kind] : kinds) {
        rlimit limit{};
        if (::getrlimit(kind, &limit) == 0) {
            result[name] = {limit.rlim_cur, limit.rlim_max};
        }
    }
    return result;
}

json interfaces() {
    json result = json::object();
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) == 0) {
        for (const ifaddrs* i = first; i != nullptr; i = i->ifa_next) {
            result[i->ifa_name] = (i->ifa_flags & IFF_UP) != 0 ? "up" : "down";
        }
        ::freeifaddrs(first);
    }
    return result;
}

json signals_blocked() {
    json result = json::array();
    sigset_t set{};
    ::sigprocmask(SIG_SETMASK, nullptr, &set);
    for (int number = 1; number < 65; ++number) {
        if (sigismember(&set, number) == 1) {
            result.push_back(number);
        }
    }
    return result;
}

/// Climbs out of a mere chroot(2): into another one below while a directory above it is open, then
/// up until there is no more, and there the next one.
/// @return 0 when `file` can be read from there
int leave_root(const char* file) {
    const int top = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool out = ::mkdir("/tmp/jail", 0755) == 0 && ::chroot("/tmp/jail") == 0 && ::fchdir(top) == 0;
    for (int i = 0; out && i < 64; ++i) {
        out = ::chdir("..") == 0;
    }
    return out && ::chroot(".") == 0 && ::access(file, R_OK) == 0 ? 0 : 1;
}

/// Looks at every process but itself again and again until it is ended: what /proc shows of its
/// working directory, its root and its descriptors, each once, is in `file`.
int watch_processes(const char* file) {
    const std::string own = std::to_string(::getpid());
    std::set<std::string> seen;
    std::ofstream out(file);
    const auto look_at = [&](const fs::path& link) {
        std::error_code error;
        const std::string target = fs::read_symlink(link, error).native();
        if (!error && seen.insert(target).second) {
            out << target << std::endl;
        }
    };
    while (out) {
        for (const json& name : names_in("/proc")) {
            const fs::path process = fs::path("/proc") / name.get_ref<const std::string&>();
            if (process.filename() == own || !fs::exists(process / "fd")) {
                continue;
            }
            look_at(process / "cwd");
            look_at(process / "root");
            for (const json& fd : names_in(process / "fd")) {
                look_at(process / "fd" / fd.get_ref<const std::string&>());
            }
        }
    }
    return 1;
}

/// What an attacker does: `probe type-into-terminal` pushes characters into the terminal that is
/// its standard input, `probe find-key NAME` looks for a key that its session possesses,
/// `probe leave-root FILE` looks for a file of the host, `probe watch-processes FILE` for whoever
/// comes into its container.
/// @return 0 when it worked
int attack(const std::string& how, const char* what) {
    if (how == "type-into-terminal") {
        char character = 'x';
        const long plain = ::syscall(SYS_ioctl, 0, TIOCSTI, &character);
        const long disguised = ::syscall(SYS_ioctl, 0, TIOCSTI | 1UL << 32U, &character);
        return plain == 0 || disguised == 0 ? 0 : 1;
    }
    if (how == "watch-processes" && what != nullptr) {
        return watch_processes(what);
    }
    if (how == "leave-root" && what != nullptr) {
        return leave_root(what);
    }
    if (how == "find-key" && what != nullptr) {
        const long key =
            ::syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", what, 0);
        return key == -1 ? 1 : 0;
    }
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string first = argc > 1 ? argv[1] : "";
    const std::set<std::string> attacks = {"type-into-terminal", "find-key", "leave-root",
                                           "watch-processes"};
    if (attacks.contains(first)) {
        return attack(first, argc > 2 ? argv[2] : nullptr);
    }
    std::array<char, 256> hostname{};
    ::gethostname(hostname.data(), hostname.size() - 1);
    std::array<gid_t, 256> groups{};
    const int group_count = ::getgroups(static_cast<int>(groups.size()), groups.data());
    std::error_code ignored;
    json world = {
        {"pid", ::getpid()},
        {"ppid", ::getppid()},
        {"uid", ::geteuid()},
        {"gid", ::getegid()},
        {"groups", std::vector<gid_t>(groups.begin(), groups.begin() + std::max(group_count, 0))},
        {"cwd", fs::current_path(ignored).native()},
        {"hostname", hostname.data()},
        {"argv", std::vector<std::string>(argv, argv + argc)},
        {"env", json::array()},
        {"root", names_in("/")},
        {"dev", names_in("/dev")},
        {"namespaces", namespaces()},
        {"mounts", lines_of("/proc/self/mountinfo")},
        {"cgroup", lines_of("/proc/self/cgroup")},
        {"uid_map", lines_of("/proc/self/uid_map")},
        {"gid_map", lines_of("/proc/self/gid_map")},
        {"status", status_fields()},
        {"processes", visible_processes()},
        {"descriptors", open_descriptors()},
        {"limits", limits()},
        {"interfaces", interfaces()},
        {"signals_blocked", signals_blocked()},
    };
    for (char** variable = environ; *variable != nullptr; ++variable) {
        world["env"].push_back(*variable);
    }
    std::cout << world.dump(1, ' ', false, json::error_handler_t::replace) << "\n";
    return 0;
}
