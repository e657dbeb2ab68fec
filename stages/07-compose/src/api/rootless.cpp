#include "07-compose/api/rootless.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/signals.hpp"
#include "02-namespaces/capabilities.hpp"
#include "07-compose/proxy/fd_message.hpp"

#include "api/rootless_namespaces.hpp"
#include "api/rootless_ports.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> arguments_inside(const DaemonOptions& options, int outer) {
    std::vector<std::string> words = {"drydock-daemon",
                                      "--data-root",
                                      fs::absolute(options.data_root),
                                      "--run-root",
                                      fs::absolute(options.run_root),
                                      "--outer",
                                      std::to_string(outer)};
    if (!options.host.empty()) {
        words.insert(words.end(), {"--host", options.host});
    }
    for (const auto& [flag, number] :
         {std::pair("--max-concurrent-downloads", options.downloads_at_once),
          std::pair("--max-concurrent-uploads", options.uploads_at_once)}) {
        if (number != 0) {
            words.insert(words.end(), {flag, std::to_string(number)});
        }
    }
    if (options.no_nat) {
        words.emplace_back("--no-nat");
    }
    return words;
}

/// The daemon itself, as root of the namespaces.
[[noreturn]] void become_daemon(const RootlessNamespaces& namespaces, const DaemonOptions& options,
                                const UniqueFd& outer, const BlockedSignals& blocked) {
    constexpr int kOuter = 3;
    try {
        std::vector<std::string> words = arguments_inside(options, kOuter);
        std::vector<char*> argv;
        for (std::string& word : words) {
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        const std::string program = fs::read_symlink("/proc/self/exe");
        enter_rootless_namespaces(namespaces);
        // It is nothing without us: nobody would take ports for it.
        check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl(PR_SET_PDEATHSIG)");
        check(::dup2(outer.get(), kOuter), "dup2(outer, {})", kOuter);
        blocked.restore();
        ::execv(program.c_str(), argv.data());
        check(-1, "execv({})", program);
    } catch (...) {
        ::_exit(report_current_exception("drydock-daemon"));
    }
    ::_exit(kSetupFailed);
}

/// Serves the daemon's requests and passes signals on until it has ended.
int stay_outside(Child& daemon, const UniqueFd& socket, const BlockedSignals& blocked) {
    const UniqueFd signals(
        check(::signalfd(-1, &blocked.blocked(), SFD_CLOEXEC), "signalfd(all that are blocked)"));
    bool asks = true;
    while (true) {
        std::array<pollfd, 3> events{{{daemon.pidfd(), POLLIN, 0},
                                      {signals.get(), POLLIN, 0},
                                      {asks ? socket.get() : -1, POLLIN, 0}}};
        if (::poll(events.data(), events.size(), -1) == -1) {
            check(errno == EINTR ? 0 : -1, "poll()");
            continue;
        }
        if (events[2].revents != 0) {
            asks = serve_port_request(socket.get());
        }
        if (events[1].revents != 0) {
            signalfd_siginfo taken{};
            check(static_cast<int>(::read(signals.get(), &taken, sizeof(taken))), "read(signalfd)");
            daemon.signal(static_cast<int>(taken.ssi_signo));
        }
        if (events[0].revents != 0) {
            return daemon.wait();
        }
    }
}

bool containers_run(const fs::path& run_root) {
    std::error_code none;
    return fs::directory_iterator(run_root / "runtime", none) != fs::directory_iterator();
}

}  // namespace

bool needs_rootless() {
    return ::geteuid() != 0 &&
           !has_capabilities(capability("CAP_SYS_ADMIN") | capability("CAP_NET_ADMIN"));
}

int run_rootless(const DaemonOptions& options) {
    fs::create_directories(options.run_root);
    check(::chmod(options.run_root.c_str(), 0700), "chmod({}, 0700)", options.run_root.native());
    const RootlessNamespaces namespaces = rootless_namespaces(options.run_root);
    const BlockedSignals blocked;
    auto [ours, its_end] = fd_message_pair();
    Child daemon = clone_child(0);
    if (!daemon) {
        become_daemon(namespaces, options, its_end, blocked);
    }
    its_end = UniqueFd();
    const int status = stay_outside(daemon, ours, blocked);
    if (!containers_run(options.run_root)) {
        end_rootless_namespaces(namespaces, options.run_root);
    }
    return status;
}

}  // namespace drydock
