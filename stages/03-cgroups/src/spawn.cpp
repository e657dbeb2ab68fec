#include "spawn.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/exit_status.hpp"

namespace drydock {
namespace {

/// posix_spawn and its family return the errno.
void check_spawn(int error, const std::string& call) {
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), call);
    }
}

class FileActions {
  public:
    explicit FileActions(const SpawnRequest& request) {
        check_spawn(::posix_spawn_file_actions_init(&actions_), "posix_spawn_file_actions_init()");
        if (request.stdin_fd < 0) {
            check_spawn(::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0),
                        "posix_spawn_file_actions_addopen(/dev/null)");
        } else {
            put(request.stdin_fd, 0);
        }
        put(request.stdout_fd, 1);
        put(request.stderr_fd, 2);
    }
    ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;
    FileActions(FileActions&&) = delete;
    FileActions& operator=(FileActions&&) = delete;

    [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

  private:
    void put(int fd, int as) {
        if (fd >= 0) {
            check_spawn(::posix_spawn_file_actions_adddup2(&actions_, fd, as),
                        fmt::format("posix_spawn_file_actions_adddup2({}, {})", fd, as));
        }
    }

    posix_spawn_file_actions_t actions_{};
};

class Attributes {
  public:
    explicit Attributes(bool own_session) {
        check_spawn(::posix_spawnattr_init(&attributes_), "posix_spawnattr_init()");
        sigset_t none{};
        sigset_t all{};
        sigemptyset(&none);
        sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        const int session = own_session ? POSIX_SPAWN_SETSID : 0;
        ::posix_spawnattr_setflags(
            &attributes_,
            static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | session));
    }
    ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;
    Attributes(Attributes&&) = delete;
    Attributes& operator=(Attributes&&) = delete;

    [[nodiscard]] const posix_spawnattr_t* get() const { return &attributes_; }

  private:
    posix_spawnattr_t attributes_{};
};

}  // namespace

Spawned spawn(const SpawnRequest& request) {
    const FileActions files(request);
    const Attributes attributes(request.own_session);
    std::vector<char*> argv;
    argv.push_back(const_cast<char*>(request.program.c_str()));
    for (const std::string& argument : request.arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    Spawned child;
    check_spawn(::posix_spawn(&child.pid, request.program.c_str(), files.get(), attributes.get(),
                              argv.data(), environ),
                fmt::format("posix_spawn({})", request.program.native()));
    // Nobody has reaped it, so the pid cannot be another process's.
    const long pidfd = ::syscall(SYS_pidfd_open, child.pid, 0);
    if (pidfd == -1) {
        const int error = errno;
        ::kill(child.pid, SIGKILL);
        ::waitpid(child.pid, nullptr, 0);
        throw std::system_error(error, std::generic_category(),
                                fmt::format("pidfd_open({})", child.pid));
    }
    child.pidfd = UniqueFd(static_cast<int>(pidfd));
    return child;
}

int wait_for(const Spawned& child) {
    siginfo_t ended{};
    int rc = -1;
    do {
        rc = ::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &ended, WEXITED);
    } while (rc == -1 && errno == EINTR);
    check(rc, "waitid(P_PIDFD of pid {})", child.pid);
    return exit_status_of(ended);
}

}  // namespace drydock
