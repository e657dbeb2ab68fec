#include "01-chroot/exit_status.hpp"

#include <cerrno>
#include <csignal>

#include "testing/catch.hpp"

namespace {
siginfo_t ended(int code, int status) {
    siginfo_t info{};
    info.si_code = code;
    info.si_status = status;
    return info;
}
}  // namespace

TEST_CASE("exit_status_of: the command's own, or 128 + the signal", "[01][exit_status]") {
    CHECK(drydock::exit_status_of(ended(CLD_EXITED, 0)) == 0);
    CHECK(drydock::exit_status_of(ended(CLD_EXITED, 255)) == 255);
    CHECK(drydock::exit_status_of(ended(CLD_KILLED, SIGKILL)) == 137);
    CHECK(drydock::exit_status_of(ended(CLD_DUMPED, SIGSEGV)) == 139);
}

TEST_CASE("exit_status_of_exec_error: 127 for what is not there, 126 for what cannot be run",
          "[01][exit_status]") {
    CHECK(drydock::exit_status_of_exec_error(ENOENT) == 127);
    CHECK(drydock::exit_status_of_exec_error(ENOTDIR) == 127);
    CHECK(drydock::exit_status_of_exec_error(EACCES) == 126);
    CHECK(drydock::exit_status_of_exec_error(ENOEXEC) == 126);
}
