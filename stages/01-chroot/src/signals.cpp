#include "01-chroot/signals.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <system_error>

#include "01-chroot/check.hpp"

namespace drydock {
namespace {

constexpr std::array kBlocked = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
constexpr int kImpatient = 3;

void pass_on(Child& child, int number) {
    try {
        child.signal(number);
    } catch (const std::system_error& e) {
        if (e.code() !=
            std::errc::no_such_process) {  // it ended in this moment: the pidfd will tell
            throw;
        }
    }
}

}  // namespace

BlockedSignals::BlockedSignals() {
    sigemptyset(&blocked_);
    for (const int number : kBlocked) {
        sigaddset(&blocked_, number);
    }
    check(::sigprocmask(SIG_BLOCK, &blocked_, &before_), "sigprocmask(SIG_BLOCK)");
}

BlockedSignals::~BlockedSignals() {
    restore();
}

void BlockedSignals::restore() const noexcept {
    static_cast<void>(::sigprocmask(SIG_SETMASK, &before_, nullptr));
}

int wait_and_forward(Child& child, const BlockedSignals& signals) {
    const UniqueFd arrived(check(::signalfd(-1, &signals.blocked(), SFD_CLOEXEC), "signalfd()"));
    int requests_to_end = 0;
    std::array<pollfd, 2> events{{{.fd = child.pidfd(), .events = POLLIN, .revents = 0},
                                  {.fd = arrived.get(), .events = POLLIN, .revents = 0}}};
    while (true) {
        if (::poll(events.data(), events.size(), -1) == -1 && errno != EINTR) {
            check(-1, "poll(pidfd, signalfd)");
        }
        if ((events[0].revents & POLLIN) != 0) {
            return child.wait();
        }
        if ((events[1].revents & POLLIN) != 0) {
            signalfd_siginfo info{};
            check(::read(arrived.get(), &info, sizeof info), "read(signalfd)");
            const int number = static_cast<int>(info.ssi_signo);
            if (number == SIGINT || number == SIGTERM) {
                ++requests_to_end;
            }
            pass_on(child, requests_to_end >= kImpatient ? SIGKILL : number);
        }
    }
}

}  // namespace drydock
