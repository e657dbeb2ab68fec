#include "02-namespaces/seccomp_profile.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <string_view>

namespace drydock {
namespace {

using Operator = SeccompCondition::Operator;

constexpr SeccompAction kAllow = SECCOMP_RET_ALLOW;
constexpr SeccompAction kNotPermitted = SECCOMP_RET_ERRNO | EPERM;
constexpr SeccompAction kNotThere = SECCOMP_RET_ERRNO | ENOSYS;

/// What a program may need that runs in a container. Not here, and so refused: what loads code into
/// the kernel, changes mounts or namespaces, reads other processes' or the kernel's memory, the
/// keyrings, and io_uring and userfaultfd, which have been the way into the kernel too often.
constexpr std::string_view kAllowed =
    "accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod "
    "chown clock_adjtime "
    "clock_getres clock_gettime clock_nanosleep close close_range connect copy_file_range creat "
    "dup dup2 dup3 "
    "epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 "
    "execve execveat exit "
    "exit_group faccessat faccessat2 fadvise64 fallocate fanotify_mark fchdir fchmod fchmodat "
    "fchmodat2 fchown fchownat "
    "fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstatfs fsync "
    "ftruncate futex "
    "futex_requeue futex_wait futex_waitv futex_wake futimesat get_mempolicy get_robust_list "
    "get_thread_area getcpu "
    "getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid "
    "getpgrp getpid getppid "
    "getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname getsockopt "
    "gettid gettimeofday "
    "getuid getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel "
    "io_destroy io_getevents "
    "io_pgetevents io_setup io_submit ioprio_get ioprio_set kill landlock_add_rule "
    "landlock_create_ruleset "
    "landlock_restrict_self lchown lgetxattr link linkat listen listxattr llistxattr lremovexattr "
    "lseek lsetxattr lstat "
    "madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod "
    "mknodat mlock mlock2 "
    "mlockall mmap modify_ldt mprotect mq_getsetattr mq_notify mq_open mq_timedreceive "
    "mq_timedsend mq_unlink mremap "
    "mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep "
    "newfstatat open "
    "openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free "
    "pkey_mprotect poll ppoll prctl "
    "pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 "
    "ptrace pwrite64 "
    "pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg "
    "remap_file_pages removexattr "
    "rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending "
    "rt_sigprocmask "
    "rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo "
    "sched_get_priority_max "
    "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
    "sched_rr_get_interval "
    "sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select "
    "semctl semget semop "
    "semtimedop sendfile sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address "
    "setfsgid setfsuid "
    "setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid "
    "setrlimit setsid setsockopt "
    "setuid setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 socketpair "
    "splice stat statfs "
    "statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create "
    "timer_delete "
    "timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime "
    "times tkill truncate "
    "umask uname unlink unlinkat utime utimensat utimes vfork vmsplice wait4 waitid write writev";

struct Grant {
    std::string_view capability;
    std::string_view calls;
};
/// The kernel asks for the capability as well; the filter keeps the code behind it out of reach of
/// who has none.
constexpr Grant kGrants[] = {
    {"DAC_READ_SEARCH", "open_by_handle_at"},
    {"SYS_ADMIN",
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie "
     "lsm_get_self_attr lsm_list_modules "
     "lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl "
     "quotactl_fd setdomainname "
     "sethostname setns syslog umount umount2 unshare"},
    {"SYS_BOOT", "reboot kexec_load kexec_file_load"},
    {"SYS_CHROOT", "chroot"},
    {"SYS_MODULE", "delete_module init_module finit_module"},
    {"SYS_PACCT", "acct"},
    {"SYS_PTRACE", "kcmp pidfd_getfd process_madvise"},
    {"SYS_RAWIO", "iopl ioperm"},
    {"SYS_TIME", "settimeofday stime clock_settime clock_settime64"},
    {"SYS_TTY_CONFIG", "vhangup"},
    {"SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {"SYSLOG", "syslog"},
    {"BPF", "bpf"},
    {"PERFMON", "perf_event_open"},
};

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> result;
    while (!text.empty()) {
        const auto space = text.find(' ');
        result.emplace_back(text.substr(0, space));
        text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    }
    return result;
}

void add_argument_rules(std::vector<SeccompRule>& rules) {
    // The execution domains of Linux itself, with and without UNAME26 and ADDR_NO_RANDOMIZE, and
    // the question which it is.
    for (const std::uint64_t domain : {0x0ULL, 0x8ULL, 0x20000ULL, 0x20008ULL, 0xffffffffULL}) {
        rules.push_back(
            {{"personality"}, kAllow, {{.index = 0, .op = Operator::Equal, .value = domain}}});
    }
    // AF_ALG and AF_VSOCK reach past what the network namespace separates. The kernel takes the
    // family as an int, so only the low half of the register counts.
    for (const std::uint64_t family : {AF_ALG, AF_VSOCK}) {
        rules.push_back({{"socket"},
                         kNotPermitted,
                         {{.index = 0,
                           .op = Operator::MaskedEqual,
                           .value = 0xffffffff,
                           .value_two = family}}});
    }
    rules.push_back({{"socket"}, kAllow, {}});
    // What pushes characters into a terminal's input; again only the low half of the number counts
    // (CVE-2019-10063).
    for (const std::uint64_t request : {TIOCSTI, TIOCLINUX}) {
        rules.push_back({{"ioctl"},
                         kNotPermitted,
                         {{.index = 1,
                           .op = Operator::MaskedEqual,
                           .value = 0xffffffff,
                           .value_two = request}}});
    }
    rules.push_back({{"ioctl"}, kAllow, {}});
}

void add_clone_rules(std::vector<SeccompRule>& rules) {
    constexpr std::uint64_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                             CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                             CLONE_NEWNET;
    rules.push_back(
        {{"clone"},
         kAllow,
         {{.index = 0, .op = Operator::MaskedEqual, .value = kNewNamespaces, .value_two = 0}}});
    // ENOSYS makes the C library fall back to clone.
    rules.push_back({{"clone3"}, kNotThere, {}});
}

}  // namespace

SeccompProfile default_seccomp_profile(CapabilitySet capabilities) {
    SeccompProfile profile{.default_action = kNotPermitted};
    profile.rules.push_back({words(kAllowed), kAllow, {}});
    add_argument_rules(profile.rules);
    for (const Grant& grant : kGrants) {
        if ((capabilities & capability(grant.capability)) != 0) {
            profile.rules.push_back({words(grant.calls), kAllow, {}});
        }
    }
    if ((capabilities & capability("SYS_ADMIN")) == 0) {
        add_clone_rules(profile.rules);
    }
    return profile;
}

}  // namespace drydock
