// System calls as a container's program finds them: testing/call_probe.cpp tries each one inside.
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "01-chroot/temp_dir.hpp"
#include "01-chroot/unique_fd.hpp"
#include "02-namespaces/landlock.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

namespace fs = std::filesystem;
using drydock::testing::Outcome;
using Words = std::vector<std::string>;

namespace {

/// How each call ended: 0, an errno, or -n for signal n.
using Endings = std::map<std::string, int>;

Endings endings_in_container(const Words& flags) {
    const drydock::TempDir dir("drydock-test");
    fs::permissions(dir.path(), fs::perms(0755));
    drydock::testing::make_test_rootfs(dir.path());
    fs::copy_file(drydock::testing::program_path("drydock-call-probe"), dir.path() / "call-probe");
    Words argv = {"drydock-02", "run"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    argv.insert(argv.end(), {dir.path().native(), "/call-probe"});
    const Outcome outcome = drydock::testing::run_program(argv);
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    return nlohmann::json::parse(outcome.out).get<Endings>();
}

const Words kRefused = {"init_module",
                        "finit_module",
                        "delete_module",
                        "kexec_load",
                        "kexec_file_load",
                        "reboot",
                        "swapon",
                        "swapoff",
                        "acct",
                        "quotactl",
                        "quotactl_fd",
                        "syslog",
                        "settimeofday",
                        "clock_settime",
                        "sethostname",
                        "setdomainname",
                        "bpf",
                        "perf_event_open",
                        "userfaultfd",
                        "io_uring_setup",
                        "io_uring_enter",
                        "io_uring_register",
                        "keyctl",
                        "add_key",
                        "request_key",
                        "kcmp",
                        "pidfd_getfd",
                        "process_madvise",
                        "open_by_handle_at",
                        "lookup_dcookie",
                        "fanotify_init",
                        "mbind",
                        "set_mempolicy",
                        "migrate_pages",
                        "move_pages",
                        "mount",
                        "umount2",
                        "pivot_root",
                        "fsopen",
                        "fsconfig",
                        "fsmount",
                        "fspick",
                        "open_tree",
                        "move_mount",
                        "mount_setattr",
                        "unshare",
                        "setns",
                        "clone NEWUSER",
                        "personality READ_IMPLIES_EXEC",
                        "socket AF_ALG",
                        "socket AF_VSOCK",
                        "socket AF_VSOCK, high half set",
                        "ioctl TIOCSTI",
                        "ioctl TIOCSTI, high half set",
                        "ioctl TIOCLINUX"};

/// Refused by the filter alone: without it, nothing that a container gives up stops these.
const Words kRefusedByTheFilterAlone = {
    "bpf",     "keyctl",        "add_key",     "request_key",
    "kcmp",    "setns",         "umount2",     "io_uring_setup",
    "mbind",   "mount_setattr", "quotactl_fd", "open_by_handle_at",
    "unshare", "clone NEWUSER", "fsconfig",    "personality READ_IMPLIES_EXEC"};

}  // namespace

TEST_CASE("container: each system call that it must not have is refused with EPERM, root or not",
          "[02][seccomp]") {
    const Endings endings = endings_in_container(GENERATE(Words{}, Words{"--user", "nobody"}));
    for (const std::string& name : kRefused) {
        INFO(name);
        CHECK(endings.at(name) == EPERM);
    }
    for (const char* name : {"clone3", "a call of Linux 6.13", "a call of the future"}) {
        INFO(name);
        CHECK(endings.at(name) == ENOSYS);
    }
    for (const char* name : {"memfd_create", "pidfd_open", "socket AF_UNIX", "socket AF_INET",
                             "personality, as a question", "clone"}) {
        INFO(name);
        CHECK(endings.at(name) == 0);
    }
    CHECK(endings.at("openat2") == EINVAL);
    CHECK(endings.at("ioctl FIONREAD") == EBADF);
}

#ifdef __x86_64__
TEST_CASE("container: a 32-bit call or one by x32 ends the program, and gives no socket",
          "[02][seccomp]") {
    const Endings endings = endings_in_container({});
    for (const char* name :
         {"int 0x80 socketcall AF_UNIX", "int 0x80 socketcall AF_VSOCK", "x32 getpid"}) {
        INFO(name);
        CHECK(endings.at(name) == -SIGSYS);
    }
}
#endif

TEST_CASE("container: without the filter the calls get through, so it is what refuses them",
          "[02][seccomp]") {
    const Endings endings = endings_in_container({"--without", "seccomp"});
    for (const std::string& name : kRefusedByTheFilterAlone) {
        INFO(name);
        CHECK(endings.at(name) != EPERM);
    }
}

TEST_CASE("container: the host's network does not come with its abstract sockets",
          "[02][landlock]") {
    if (!drydock::can_scope_abstract_sockets()) {
        drydock::testing::skip_test("Landlock of this kernel has no scopes (Linux 6.12)");
        return;
    }
    const drydock::UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    constexpr char kName[] = "\0drydock-call-probe";
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::memcpy(address.sun_path, kName, sizeof kName - 1);
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address),
                   offsetof(sockaddr_un, sun_path) + sizeof kName - 1) == 0);
    REQUIRE(::listen(listener.get(), 8) == 0);
    const auto ending = [](const Words& flags) {
        return endings_in_container(flags).at("connect to an abstract socket");
    };
    CHECK(ending({"--net", "host"}) == EPERM);
    CHECK(ending({"--net", "host", "--without", "landlock"}) == 0);
    CHECK(ending({"--net", "none"}) == ECONNREFUSED);
}
