#include "07-compose/network/names_process.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "02-namespaces/network_namespace.hpp"
#include "07-compose/network/etc_files.hpp"
#include "07-compose/network/service_spawn.hpp"
#include "07-compose/proxy/fd_message.hpp"
#include "07-compose/proxy/socket_address.hpp"

namespace drydock {
namespace {

constexpr int kDnsPort = 53;

sockaddr_un names_address(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof(address.sun_path)) {
        throw InputError(fmt::format("{}: expected a path shorter than {} characters",
                                     path.native(), sizeof(address.sun_path)));
    }
    std::memcpy(address.sun_path, path.c_str(), path.native().size());
    return address;
}

UniqueFd names_socket() {
    return UniqueFd(check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket(AF_UNIX)"));
}

/// @return none when somebody has that address
UniqueFd name_socket(int type) {
    UniqueFd socket(check(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                          "socket(AF_INET, {})", type));
    const int on = 1;
    if (type == SOCK_STREAM) {  // two sockets for datagrams could share a port with it
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    const SocketAddress address = socket_address(*parse_ip_address(kNameServer), kDnsPort);
    if (::bind(socket.get(), address.get(), address.length) == -1) {
        check(errno == EADDRINUSE ? 0 : -1, "bind({}:{})", kNameServer, kDnsPort);
        return {};
    }
    if (type == SOCK_STREAM) {
        check(::listen(socket.get(), SOMAXCONN), "listen({}:{})", kNameServer, kDnsPort);
    }
    return socket;
}

}  // namespace

bool NamesProcess::connect() {
    UniqueFd socket = names_socket();
    const sockaddr_un address = names_address(socket_);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
        -1) {
        return false;
    }
    connection_ = std::move(socket);
    return true;
}

void NamesProcess::start() {
    if (pid_ != 0) {
        ::waitpid(pid_, nullptr, WNOHANG);
    }
    const UniqueFd listener = names_socket();
    const sockaddr_un address = names_address(socket_);
    static_cast<void>(::unlink(socket_.c_str()));
    check(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
          "bind({})", socket_.native());
    check(::listen(listener.get(), SOMAXCONN), "listen({})", socket_.native());
    // Before it exists, so that it never sees a moment without anybody.
    check(connect() ? 0 : -1, "connect({})", socket_.native());
    pid_ = spawn_service("drydock-names", {}, listener.get());
    let_go_ = false;
}

void NamesProcess::let_go() noexcept {
    const std::lock_guard lock(mutex_);
    if (!connection_) {
        return;
    }
    connection_ = UniqueFd();
    let_go_ = true;
    // It ends at once, and is waited for so that it does not stay as a zombie.
    if (const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))); pidfd) {
        constexpr int kPatienceMs = 200;
        pollfd end{pidfd.get(), POLLIN, 0};
        if (::poll(&end, 1, kPatienceMs) == 1) {
            ::waitpid(std::exchange(pid_, 0), nullptr, WNOHANG);
        }
    }
}

bool NamesProcess::tell(const std::string& message, std::span<const int> fds) {
    const std::lock_guard lock(mutex_);
    if (connection_ || (!let_go_ && connect())) {
        try {
            send_fd_message(connection_.get(), message, fds);
            return false;
        } catch (const std::system_error& e) {
            if (e.code() != std::errc::broken_pipe && e.code() != std::errc::connection_reset) {
                throw;
            }
        }
    }
    start();
    send_fd_message(connection_.get(), message, fds);
    return true;
}

std::optional<std::pair<UniqueFd, UniqueFd>> name_sockets(int network_namespace) {
    const VisitedNetwork visit(network_namespace);
    UniqueFd udp = name_socket(SOCK_DGRAM);
    UniqueFd tcp = udp ? name_socket(SOCK_STREAM) : UniqueFd();
    if (!tcp) {
        return std::nullopt;
    }
    return std::pair(std::move(udp), std::move(tcp));
}

}  // namespace drydock
