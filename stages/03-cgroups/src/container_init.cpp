#include "03-cgroups/container_init.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "01-chroot/check.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/walk.hpp"
#include "02-namespaces/init.hpp"

namespace drydock {

int run_as_init(char** argv) {
    sigset_t before{};
    check(::sigprocmask(SIG_BLOCK, nullptr, &before), "sigprocmask()");
    Walk walk;
    become_init(walk);
    check(::sigprocmask(SIG_SETMASK, &before, nullptr), "sigprocmask(SIG_SETMASK)");
    ::execvp(argv[0], argv);
    const int error = errno;
    static_cast<void>(
        std::fprintf(stderr, "docker-init: exec %s: %s\n", argv[0], std::strerror(error)));
    return error == ENOENT ? kNotFound : kNotExecutable;
}

}  // namespace drydock
