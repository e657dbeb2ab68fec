#include "interrupted.hpp"

#include <signal.h>

#include <array>
#include <system_error>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock::stage04 {
namespace {

// SIGPIPE: who read what we print is gone. The write fails instead.
constexpr std::array<int, 4> kSignals{SIGINT, SIGTERM, SIGHUP, SIGPIPE};
volatile sig_atomic_t last_signal = 0;

extern "C" void remember_signal(int number) {
    last_signal = number;
}

void handle_with(void (*handler)(int)) {
    struct sigaction action{};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    for (const int number : kSignals) {
        check(::sigaction(number, &action, nullptr), "sigaction({})", number);
    }
}

}  // namespace

StopsWhenAsked::StopsWhenAsked() {
    last_signal = 0;
    handle_with(remember_signal);
}

StopsWhenAsked::~StopsWhenAsked() {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    for (const int number : kSignals) {
        static_cast<void>(::sigaction(number, &action, nullptr));
    }
}

void throw_if_interrupted() {
    if (last_signal != 0) {
        constexpr int kSignalled = 128;
        throw SetupError(fmt::format("interrupted by signal {}", static_cast<int>(last_signal)),
                         std::make_error_code(std::errc::interrupted), kSignalled + last_signal);
    }
}

}  // namespace drydock::stage04
