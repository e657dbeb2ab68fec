// drydock-call-probe: tries system calls that matter to a container's safety, each in a child of
// its own, and prints as one JSON object how each ended: 0, the errno, or -n when signal n killed
// it. Every call is made with arguments that do no harm where nothing refuses it.
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>

namespace {

struct Try {
    const char* name;
    long (*call)();
};

template <long number>
long without_arguments() {
    return ::syscall(number, 0, 0, 0, 0, 0, 0);
}

#ifdef __x86_64__
/// socket() by int 0x80, which hides the family behind a pointer: the way around a filter that
/// looks at socket() alone.
long socket_by_socketcall(std::uint32_t family) {
    auto* arguments = static_cast<std::uint32_t*>(::mmap(
        nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
    arguments[0] = family;
    arguments[1] = SOCK_STREAM;
    arguments[2] = 0;
    constexpr long kSocketcall = 102;
    constexpr long kSocket = 1;  // SYS_SOCKET of linux/net.h
    long result = kSocketcall;
    asm volatile("int $0x80" : "+a"(result) : "b"(kSocket), "c"(arguments) : "memory");
    errno = result < 0 ? static_cast<int>(-result) : 0;
    return result < 0 ? -1 : result;
}
long getpid_by_x32() {
    return ::syscall(0x40000000 | SYS_getpid);
}
#endif

/// As a test may have one outside.
long connect_to_abstract_socket() {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = "\0drydock-call-probe"};
    constexpr socklen_t kLength =
        offsetof(sockaddr_un, sun_path) + sizeof "\0drydock-call-probe" - 1;
    return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), kLength);
}

constexpr unsigned long kHighBit = 1UL << 32U;

constexpr Try kTries[] = {
    // What changes the host's kernel, or the machine.
    {"init_module", without_arguments<SYS_init_module>},
    {"finit_module", [] { return ::syscall(SYS_finit_module, -1, "", 0); }},
    {"delete_module", [] { return ::syscall(SYS_delete_module, "no such", O_NONBLOCK); }},
    {"kexec_load", [] { return ::syscall(SYS_kexec_load, 0, 0, nullptr, ~0UL); }},
    {"kexec_file_load", [] { return ::syscall(SYS_kexec_file_load, -1, -1, 0, nullptr, ~0UL); }},
    {"reboot", [] { return ::syscall(SYS_reboot, 0, 0, 0, nullptr); }},
    {"swapon", [] { return ::syscall(SYS_swapon, "/nowhere", 0); }},
    {"swapoff", [] { return ::syscall(SYS_swapoff, "/nowhere"); }},
    {"acct", [] { return ::syscall(SYS_acct, "/nowhere"); }},
    {"quotactl", [] { return ::syscall(SYS_quotactl, -1, nullptr, 0, nullptr); }},
    {"quotactl_fd", [] { return ::syscall(SYS_quotactl_fd, -1, -1, 0, nullptr); }},
    {"syslog", [] { return ::syscall(SYS_syslog, 10, nullptr, 0); }},
    {"settimeofday", [] { return ::syscall(SYS_settimeofday, 1, 1); }},
    {"clock_settime", [] { return ::syscall(SYS_clock_settime, CLOCK_MONOTONIC, nullptr); }},
    {"sethostname", [] { return ::syscall(SYS_sethostname, nullptr, -1); }},
    {"setdomainname", [] { return ::syscall(SYS_setdomainname, nullptr, -1); }},
    {"vhangup", [] { return ::getpid() == 1 ? 0L : without_arguments<SYS_vhangup>(); }},
#ifdef __x86_64__
    {"iopl", [] { return ::syscall(SYS_iopl, 4); }},
    {"ioperm", [] { return ::syscall(SYS_ioperm, ~0UL, 1, 1); }},
#endif
    // What looks into the kernel or into other processes.
    {"bpf", [] { return ::syscall(SYS_bpf, -1, nullptr, 0); }},
    {"perf_event_open", without_arguments<SYS_perf_event_open>},
    {"userfaultfd", [] { return ::syscall(SYS_userfaultfd, O_CLOEXEC); }},
    {"io_uring_setup", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
    {"io_uring_enter", [] { return ::syscall(SYS_io_uring_enter, -1, 0, 0, 0, nullptr, 0); }},
    {"io_uring_register", [] { return ::syscall(SYS_io_uring_register, -1, 0, nullptr, 0); }},
    {"keyctl", without_arguments<SYS_keyctl>},
    {"add_key", without_arguments<SYS_add_key>},
    {"request_key", without_arguments<SYS_request_key>},
    {"kcmp", [] { return ::syscall(SYS_kcmp, ::getpid(), ::getpid(), 0, 0, 0); }},
    {"pidfd_getfd", [] { return ::syscall(SYS_pidfd_getfd, -1, 0, 0); }},
    {"process_madvise", [] { return ::syscall(SYS_process_madvise, -1, nullptr, 0, 0, 0); }},
    {"open_by_handle_at", [] { return ::syscall(SYS_open_by_handle_at, -1, nullptr, 0); }},
    {"lookup_dcookie", [] { return ::syscall(212, 0, nullptr, 0); }},
    {"fanotify_init", [] { return ::syscall(SYS_fanotify_init, 0, O_RDONLY); }},
    {"mbind", [] { return ::syscall(SYS_mbind, 1, 0, 0, 0, 0, 0); }},
    {"set_mempolicy", [] { return ::syscall(SYS_set_mempolicy, -1, nullptr, 0); }},
    {"migrate_pages", [] { return ::syscall(SYS_migrate_pages, 0, 0, nullptr, nullptr); }},
    {"move_pages", [] { return ::syscall(SYS_move_pages, 0, 0, nullptr, nullptr, nullptr, 0); }},
    // What changes mounts and namespaces.
    {"mount", [] { return ::syscall(SYS_mount, nullptr, "/", nullptr, MS_PRIVATE, nullptr); }},
    {"umount2", [] { return ::syscall(SYS_umount2, "/nowhere", 0); }},
    {"pivot_root", [] { return ::syscall(SYS_pivot_root, "/nowhere", "/nowhere"); }},
    {"fsopen", [] { return ::syscall(SYS_fsopen, "tmpfs", 0); }},
    {"fsconfig", [] { return ::syscall(SYS_fsconfig, -1, 0, nullptr, nullptr, 0); }},
    {"fsmount", [] { return ::syscall(SYS_fsmount, -1, 0, 0); }},
    {"fspick", [] { return ::syscall(SYS_fspick, -1, "", 0); }},
    {"open_tree", [] { return ::syscall(SYS_open_tree, AT_FDCWD, "/", 1); }},
    {"move_mount", [] { return ::syscall(SYS_move_mount, -1, "", -1, "", 0); }},
    {"mount_setattr", [] { return ::syscall(SYS_mount_setattr, -1, "", 0, nullptr, 0); }},
    {"unshare", [] { return ::syscall(SYS_unshare, CLONE_NEWUSER); }},
    {"setns", [] { return ::syscall(SYS_setns, -1, 0); }},
    {"clone NEWUSER", [] { return ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); }},
    // Where an argument decides.
    {"personality READ_IMPLIES_EXEC", [] { return long{::personality(0x0400000)}; }},
    {"socket AF_ALG", [] { return long{::socket(38, SOCK_SEQPACKET, 0)}; }},
    {"socket AF_VSOCK", [] { return long{::socket(40, SOCK_STREAM, 0)}; }},
    {"socket AF_VSOCK, high half set",
     [] { return ::syscall(SYS_socket, kHighBit | 40, SOCK_STREAM, 0); }},
    {"ioctl TIOCSTI", [] { return ::syscall(SYS_ioctl, 0, TIOCSTI, nullptr); }},
    {"ioctl TIOCSTI, high half set",
     [] { return ::syscall(SYS_ioctl, 0, kHighBit | TIOCSTI, nullptr); }},
    {"ioctl TIOCLINUX", [] { return ::syscall(SYS_ioctl, 0, TIOCLINUX, nullptr); }},
    // What programs must be able to do without.
    {"clone3", [] { return ::syscall(SYS_clone3, nullptr, 0); }},
    {"a call of Linux 6.13", [] { return ::syscall(463, 0, 0, 0, 0, 0, 0); }},
    {"a call of the future", [] { return ::syscall(1000); }},
    // What has to work.
    {"openat2", [] { return ::syscall(SYS_openat2, -1, nullptr, nullptr, 0); }},
    {"memfd_create", [] { return ::syscall(SYS_memfd_create, "x", 0); }},
    {"pidfd_open", [] { return ::syscall(SYS_pidfd_open, ::getpid(), 0); }},
    {"socket AF_UNIX", [] { return long{::socket(AF_UNIX, SOCK_STREAM, 0)}; }},
    {"socket AF_INET", [] { return long{::socket(AF_INET, SOCK_STREAM, 0)}; }},
    {"personality, as a question", [] { return long{::personality(0xffffffff)}; }},
    {"ioctl FIONREAD", [] { return ::syscall(SYS_ioctl, -1, FIONREAD, nullptr); }},
    {"connect to an abstract socket", connect_to_abstract_socket},
    {"clone", [] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
#ifdef __x86_64__
    // Other ABIs.
    {"int 0x80 socketcall AF_UNIX", [] { return socket_by_socketcall(AF_UNIX); }},
    {"int 0x80 socketcall AF_VSOCK", [] { return socket_by_socketcall(40); }},
    {"x32 getpid", getpid_by_x32},
#endif
};

int outcome_of(const Try& attempt) {
    const pid_t child = ::fork();
    if (child == 0) {
        errno = 0;
        const long result = attempt.call();
        ::_exit(result == -1 ? errno : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int main() {
    const char* separator = "{";
    for (const Try& attempt : kTries) {
        std::printf("%s\"%s\": %d", separator, attempt.name, outcome_of(attempt));
        separator = ",\n ";
    }
    std::puts("}");
    return 0;
}
