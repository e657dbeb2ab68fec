#include "06-registry/listen.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock {
namespace {

constexpr int kBacklog = 512;
constexpr mode_t kSocketMode = 0660;

UniqueFd make_socket(int family) {
    return UniqueFd(check(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                          "socket(SOCK_STREAM)"));
}

sockaddr_un unix_address(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (!path.is_absolute() || path.native().size() >= sizeof address.sun_path) {
        throw InputError(
            fmt::format("listen address unix://{}: expected an absolute path of at most {} bytes",
                        path.native(), sizeof address.sun_path - 1));
    }
    std::memcpy(address.sun_path, path.c_str(), path.native().size() + 1);
    return address;
}

const sockaddr* generic(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

/// A socket whose owner died stays in the file system and refuses connections.
void remove_stale_socket(const std::filesystem::path& path, const sockaddr_un& address) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) == -1) {
        return;
    }
    if (!S_ISSOCK(status.st_mode)) {
        throw InputError(fmt::format(
            "listen address unix://{}: there is something else than a socket", path.native()));
    }
    const UniqueFd probe = make_socket(AF_UNIX);
    if (::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN) {
        throw InputError(
            fmt::format("listen address unix://{}: another process listens there", path.native()));
    }
    if (errno != ECONNREFUSED) {
        check(-1, "connect(unix://{})", path.native());
    }
    check(::unlink(path.c_str()), "unlink({})", path.native());
}

bool is_loopback(const addrinfo& info) {
    if (info.ai_family == AF_INET) {
        sockaddr_in address{};
        std::memcpy(&address, info.ai_addr, sizeof address);
        return (ntohl(address.sin_addr.s_addr) >> 24U) == 127;
    }
    sockaddr_in6 address{};
    std::memcpy(&address, info.ai_addr, sizeof address);
    return IN6_IS_ADDR_LOOPBACK(&address.sin6_addr);
}

int port_of(int fd) {
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    check(::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length), "getsockname()");
    if (bound.ss_family == AF_INET6) {
        sockaddr_in6 address{};
        std::memcpy(&address, &bound, sizeof address);
        return ntohs(address.sin6_port);
    }
    sockaddr_in address{};
    std::memcpy(&address, &bound, sizeof address);
    return ntohs(address.sin_port);
}

}  // namespace

Listener::Listener(const std::string& address, bool any_address) {
    constexpr std::string_view kUnix = "unix://";
    constexpr std::string_view kTcp = "tcp://";
    if (address.starts_with(kUnix)) {
        listen_unix(address.substr(kUnix.size()));
        return;
    }
    const std::string rest = address.starts_with(kTcp) ? address.substr(kTcp.size()) : address;
    const std::size_t colon = rest.rfind(':');
    std::string host = rest.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    }
    unsigned port = 0;
    const std::string digits = colon == std::string::npos ? "" : rest.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (host.empty() || digits.empty() || error != std::errc() || *end != '\0' || port > 65535) {
        throw InputError(
            fmt::format("listen address \"{}\": expected unix:///absolute/path or ADDRESS:PORT, as "
                        "127.0.0.1:5000",
                        address));
    }
    listen_tcp(host, digits, any_address);
    address_ = fmt::format("{}:{}", rest.substr(0, colon), port_of(fd_.get()));
}

// [region: listen-unix]
void Listener::listen_unix(const std::filesystem::path& path) {
    const sockaddr_un address = unix_address(path);
    remove_stale_socket(path, address);
    fd_ = make_socket(AF_UNIX);
    // Before bind, which takes the new file's mode from the socket: at no moment may others
    // connect.
    check(::fchmod(fd_.get(), kSocketMode), "fchmod(socket, {:o})", kSocketMode);
    check(::bind(fd_.get(), generic(address), sizeof address), "bind(unix://{})", path.native());
    // Again behind it: the umask took away what the group may do.
    check(::chmod(path.c_str(), kSocketMode), "chmod({}, {:o})", path.native(), kSocketMode);
    struct stat status{};
    check(::lstat(path.c_str(), &status), "lstat({})", path.native());
    path_ = path;
    device_ = status.st_dev;
    inode_ = status.st_ino;
    check(::listen(fd_.get(), kBacklog), "listen(unix://{})", path.native());
    address_ = "unix://" + path.native();
}
// [/region]

void Listener::listen_tcp(const std::string& host, const std::string& port, bool any_address) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE | (host == "localhost" ? 0 : AI_NUMERICHOST);
    hints.ai_family = host == "localhost" ? AF_INET : AF_UNSPEC;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(host == "localhost" ? "127.0.0.1" : host.c_str(), port.c_str(),
                                    &hints, &found);
    if (error != 0) {
        throw InputError(
            fmt::format("listen address {}:{}: expected an IP address and a port", host, port));
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> info(found, ::freeaddrinfo);
    if (!any_address && !is_loopback(*info)) {
        throw InputError(fmt::format(
            "listen address {}:{}: others could reach it, and nobody has to log in; expected "
            "a loopback address (127.0.0.1, [::1])",
            host, port));
    }
    fd_ = make_socket(info->ai_family);
    const int on = 1;
    check(::setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on),
          "setsockopt(SO_REUSEADDR)");
    if (::bind(fd_.get(), info->ai_addr, info->ai_addrlen) == -1) {
        if (errno == EADDRINUSE) {
            throw InputError(
                fmt::format("listen address {}:{}: another process listens there", host, port));
        }
        check(-1, "bind({}:{})", host, port);
    }
    if (::listen(fd_.get(), kBacklog) == -1) {
        check(-1, "listen({}:{})", host, port);
    }
}

Listener::~Listener() {
    struct stat status{};
    if (!path_.empty() && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
        status.st_ino == inode_) {
        static_cast<void>(::unlink(path_.c_str()));
    }
}

Listener::Listener(Listener&& other) noexcept
    : fd_(std::move(other.fd_)),
      address_(std::move(other.address_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

}  // namespace drydock
