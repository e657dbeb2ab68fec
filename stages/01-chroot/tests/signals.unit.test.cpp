#include "01-chroot/signals.hpp"

#include <unistd.h>

#include <csignal>

#include "01-chroot/child.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

namespace {

extern "C" void leave_with_seven(int) {
    ::_exit(7);
}

extern "C" void ask_again(int) {
    ::kill(::getppid(), SIGTERM);
}

/// The status of a child that does `handler` when it gets SIGTERM, and whose parent gets one.
int status_of_child_with(void (*handler)(int)) {
    return drydock::testing::in_child([=] {
        ::alarm(20);  // rather than wait for ever
        const drydock::BlockedSignals blocked;
        drydock::Child child = drydock::clone_child(0);
        if (!child) {
            static_cast<void>(std::signal(SIGTERM, handler));
            blocked.restore();  // one that came before is taken now
            while (true) {
                ::pause();
            }
        }
        ::kill(::getpid(), SIGTERM);
        return drydock::wait_and_forward(child, blocked);
    });
}

}  // namespace

TEST_CASE("wait_and_forward: the child gets what we get", "[01][signals]") {
    CHECK(status_of_child_with(leave_with_seven) == 7);
}

TEST_CASE("wait_and_forward: a child that is asked to end three times is killed", "[01][signals]") {
    CHECK(status_of_child_with(ask_again) == 128 + SIGKILL);
}
