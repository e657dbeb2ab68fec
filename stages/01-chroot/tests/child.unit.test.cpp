#include "01-chroot/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "testing/catch.hpp"

using drydock::Child;
using drydock::clone_child;

namespace {

Child child_that_exits_with(int status) {
    Child child = clone_child(0);
    if (!child) {
        ::_exit(status);
    }
    return child;
}

Child child_that_waits() {
    Child child = clone_child(0);
    if (!child) {
        while (true) {
            ::pause();
        }
    }
    return child;
}

bool has_children() {
    return ::waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD;
}

}  // namespace

TEST_CASE("Child: wait gives the exit status and leaves no zombie", "[01][child]") {
    Child child = child_that_exits_with(200);
    CHECK(child.wait() == 200);
    CHECK_FALSE(child);
    CHECK_FALSE(has_children());
}

TEST_CASE("Child: a signal goes through the pidfd, and 128 + n is its status", "[01][child]") {
    Child child = child_that_waits();
    child.signal(SIGUSR1);  // one that the test runner does not catch
    CHECK(child.wait() == 128 + SIGUSR1);
}

TEST_CASE("Child: an owner that goes kills and reaps", "[01][child]") {
    pid_t pid = 0;
    {
        const Child child = child_that_waits();
        pid = child.pid();
        CHECK(::kill(pid, 0) == 0);
    }
    CHECK(::kill(pid, 0) == -1);
    CHECK_FALSE(has_children());
}

TEST_CASE("Child: a move hands the process over", "[01][child]") {
    Child first = child_that_waits();
    const pid_t pid = first.pid();
    Child second(std::move(first));
    CHECK(second.pid() == pid);
    Child third;
    third = std::move(second);
    CHECK(third.pid() == pid);
    CHECK(::kill(pid, 0) == 0);
}

TEST_CASE("Child: the pidfd is close-on-exec and readable when the child has ended",
          "[01][child]") {
    Child child = child_that_exits_with(0);
    CHECK((::fcntl(child.pidfd(), F_GETFD) & FD_CLOEXEC) != 0);
    pollfd event{.fd = child.pidfd(), .events = POLLIN, .revents = 0};
    CHECK(::poll(&event, 1, 10000) == 1);
    CHECK(child.wait() == 0);
}

TEST_CASE("clone_flag_names: the flags by name", "[01][child]") {
    CHECK(drydock::clone_flag_names(0) == "0");
    CHECK(drydock::clone_flag_names(CLONE_NEWPID | CLONE_NEWNS) == "CLONE_NEWPID|CLONE_NEWNS");
}
