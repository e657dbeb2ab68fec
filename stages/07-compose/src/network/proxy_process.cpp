#include "07-compose/network/proxy_process.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "07-compose/network/service_spawn.hpp"
#include "07-compose/proxy/fd_message.hpp"

namespace drydock {
namespace {

constexpr int kProxyEndMs = 2000;  ///< it does nothing that takes time

}  // namespace

ProxyProcess start_proxy(const std::vector<ProxiedPort>& ports) {
    auto [ours, its_end] = fd_message_pair();
    ProxyProcess proxy{.control = std::move(ours)};
    const pid_t pid = spawn_service("drydock-proxy", {}, its_end.get());
    its_end = UniqueFd();
    proxy.process = identify(pid).value_or(ProcessIdentity{.pid = pid});
    try {
        for (const ProxiedPort& port : ports) {
            tell_proxy(proxy.control.get(), to_message(port.target), port.socket.get());
        }
    } catch (...) {
        end_proxy(proxy.process);
        throw;
    }
    return proxy;
}

void tie_proxy_to(ProxyProcess& proxy, int pidfd) {
    tell_proxy(proxy.control.get(), kProxyLife, pidfd);
    proxy.control = UniqueFd();
}

void end_proxy(const ProcessIdentity& proxy) {
    if (proxy.pid <= 0 || identify(proxy.pid) != proxy) {
        return;
    }
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, proxy.pid, 0)));
    if (!pidfd || identify(proxy.pid) != proxy) {
        return;
    }
    ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
    pollfd event{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    static_cast<void>(::poll(&event, 1, kProxyEndMs));
    // Ours to bury, unless an earlier daemon started it.
    siginfo_t ignored{};
    ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd.get()), &ignored,
             WEXITED | WNOHANG);
}

}  // namespace drydock
