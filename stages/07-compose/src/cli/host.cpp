#include "07-compose/cli/host.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock::cli {
namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return value != nullptr ? value : "";
}

std::filesystem::path first_of(const std::string& chosen, const std::string& xdg,
                               const std::string& otherwise) {
    if (!chosen.empty()) {
        return std::filesystem::absolute(chosen);
    }
    return !xdg.empty() ? std::filesystem::path(xdg) / "drydock" : std::filesystem::path(otherwise);
}

[[noreturn]] void throw_not_a_host(const std::string& text, std::string_view what) {
    throw InputError(fmt::format(
        "host \"{}\": {}; expected unix:///PATH/TO/SOCKET or tcp://ADDRESS:PORT", text, what));
}

Host parse_tcp(const std::string& text, const std::string& rest) {
    Host host{.name = text};
    const auto colon = rest.rfind(':');
    if (colon == std::string::npos) {
        throw_not_a_host(text, "no port");
    }
    host.address = rest.substr(0, colon);
    if (host.address.starts_with('[') && host.address.ends_with(']')) {
        host.address = host.address.substr(1, host.address.size() - 2);
    }
    if (host.address == "localhost") {
        host.address = "127.0.0.1";
    }
    const char* end = rest.data() + rest.size();
    const auto parsed = std::from_chars(rest.data() + colon + 1, end, host.port);
    if (parsed.ec != std::errc() || parsed.ptr != end || host.port == 0) {
        throw_not_a_host(text, "the port is no number from 1 to 65535");
    }
    in6_addr binary{};
    if (::inet_pton(AF_INET, host.address.c_str(), &binary) != 1 &&
        ::inet_pton(AF_INET6, host.address.c_str(), &binary) != 1) {
        throw_not_a_host(text, "the address is not in numbers (names are not looked up)");
    }
    return host;
}

UniqueFd connect_unix(const Host& host) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (host.path.size() >= sizeof address.sun_path) {
        throw InputError(
            fmt::format("socket {}: the path has {} bytes, the kernel takes at most {}", host.path,
                        host.path.size(), sizeof address.sun_path - 1));
    }
    std::memcpy(address.sun_path, host.path.c_str(), host.path.size() + 1);
    UniqueFd socket(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket(AF_UNIX)"));
    check(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          "connect({})", host.path);
    return socket;
}

UniqueFd connect_tcp(const Host& host) {
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    v4.sin_family = AF_INET;
    v4.sin_port = v6.sin6_port = htons(host.port);
    v6.sin6_family = AF_INET6;
    const bool is_v4 = ::inet_pton(AF_INET, host.address.c_str(), &v4.sin_addr) == 1;
    if (!is_v4) {
        ::inet_pton(AF_INET6, host.address.c_str(), &v6.sin6_addr);
    }
    UniqueFd socket(check(::socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0),
                          "socket({})", host.name));
    const auto* address =
        is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
    check(::connect(socket.get(), address, is_v4 ? sizeof v4 : sizeof v6), "connect({})",
          host.name);
    return socket;
}

}  // namespace

Roots default_roots() {
    Roots roots;
    const bool root = ::geteuid() == 0;
    const std::string home = variable("HOME");
    std::string data = root ? "" : variable("XDG_DATA_HOME");
    if (!root && data.empty()) {
        data = home + "/.local/share";
    }
    std::string run = root ? "" : variable("XDG_RUNTIME_DIR");
    if (!root && run.empty()) {
        run = fmt::format("/run/user/{}", ::getuid());
    }
    roots.data = first_of(variable("DRYDOCK_DATA_ROOT"), data, "/var/lib/drydock");
    roots.run = first_of(variable("DRYDOCK_RUN_ROOT"), run, "/run/drydock");
    return roots;
}

Host parse_host(const std::string& text) {
    constexpr std::string_view kUnix = "unix://";
    constexpr std::string_view kTcp = "tcp://";
    if (text.starts_with(kUnix)) {
        Host host{.name = text, .path = text.substr(kUnix.size())};
        if (!host.path.starts_with('/')) {
            throw_not_a_host(text, "the socket's path is not absolute");
        }
        return host;
    }
    if (text.starts_with(kTcp)) {
        return parse_tcp(text, text.substr(kTcp.size()));
    }
    for (const char* scheme : {"ssh://", "npipe://", "fd://", "http://", "https://"}) {
        if (text.starts_with(scheme)) {
            throw NotImplemented(
                fmt::format("host \"{}\" (unix://PATH and tcp://ADDRESS:PORT are)", text));
        }
    }
    throw_not_a_host(text, "unknown kind of address");
}

Host chosen_host(const std::string& flag) {
    for (const std::string& named : {flag, variable("DRYDOCK_HOST"), variable("DOCKER_HOST")}) {
        if (!named.empty()) {
            return parse_host(named);
        }
    }
    Host host = parse_host("unix://" + (default_roots().run / "drydock.sock").native());
    host.is_default = true;
    return host;
}

UniqueFd connect_to(const Host& host) {
    return host.path.empty() ? connect_tcp(host) : connect_unix(host);
}

}  // namespace drydock::cli
