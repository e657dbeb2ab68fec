// The default filter, loaded: each call is tried for real.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>

#include "02-namespaces/capabilities.hpp"
#include "02-namespaces/seccomp_bpf.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

using drydock::testing::in_child;

namespace {

void load_default() {
    drydock::set_no_new_privs();
    drydock::load_seccomp(
        drydock::compile_seccomp(drydock::default_seccomp_profile(drydock::kDefaultCapabilities)));
}

/// 0 or the errno of `call` under the filter, as root with every capability: only the filter can
/// refuse.
int error_under_filter(const std::function<long()>& call) {
    return in_child([&] {
        load_default();
        errno = 0;
        return call() == -1 ? errno : 0;
    });
}

}  // namespace

TEST_CASE("seccomp: what a container must not call gives EPERM, though root is asking",
          "[02][seccomp]") {
    CHECK(error_under_filter([] {
              return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
          }) == EPERM);
    CHECK(error_under_filter([] { return ::unshare(CLONE_NEWNS); }) == EPERM);
    CHECK(error_under_filter([] { return ::syscall(SYS_bpf, 0, nullptr, 0); }) == EPERM);
    CHECK(error_under_filter([] { return ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }) == EPERM);
    CHECK(error_under_filter([] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }) == EPERM);
    CHECK(error_under_filter([] { return ::syscall(SYS_init_module, nullptr, 0, ""); }) == EPERM);
    CHECK(error_under_filter([] { return ::syscall(SYS_syslog, 10, nullptr, 0); }) == EPERM);
    CHECK(error_under_filter([] { return ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0); }) ==
          EPERM);
    CHECK(error_under_filter([] { return ::ioctl(0, TIOCSTI, "x"); }) == EPERM);
    CHECK(error_under_filter(
              [] { return ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); }) == EPERM);
    CHECK(error_under_filter([] { return long{::personality(0x400000)}; }) == EPERM);
}

TEST_CASE("seccomp: clone3 and calls that came later give ENOSYS", "[02][seccomp]") {
    CHECK(error_under_filter([] { return ::syscall(SYS_clone3, nullptr, 0); }) == ENOSYS);
    CHECK(error_under_filter([] { return ::syscall(1000); }) == ENOSYS);
}

TEST_CASE("seccomp: ordinary calls work", "[02][seccomp]") {
    CHECK(error_under_filter([] { return long{::open("/dev/null", O_RDONLY | O_CLOEXEC)}; }) == 0);
    CHECK(error_under_filter(
              [] { return long{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)}; }) == 0);
    CHECK(error_under_filter([] { return long{::personality(0xffffffff)}; }) == 0);
    CHECK(error_under_filter([] { return long{::kill(::getpid(), 0)}; }) == 0);
    CHECK(error_under_filter([] {
              const pid_t child = ::fork();
              if (child == 0) {
                  ::_exit(0);
              }
              return long{child};
          }) == 0);
}

#ifdef __x86_64__
TEST_CASE("seccomp: the 32-bit door is shut", "[02][seccomp]") {
    const int status = in_child([] {
        load_default();
        long result = 20;  // getpid of i386
        asm volatile("int $0x80" : "+a"(result) : : "memory");
        return 0;
    });
    CHECK(status == 128 + SIGSYS);
}
#endif
