#include "06-registry/http_server.hpp"

// Boost 1.74 forgets to include it in front of its coroutines.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <list>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "06-registry/listen.hpp"

#include "http_connection.hpp"
#include "worker_pool.hpp"

namespace asio = boost::asio;

namespace drydock {
namespace {

using Clock = std::chrono::steady_clock;
using Descriptor = asio::posix::stream_descriptor;

/// Asio closes what it is given; the original stays with its owner.
int duplicate(int fd) {
    return check(::fcntl(fd, F_DUPFD_CLOEXEC, 3), "fcntl(F_DUPFD_CLOEXEC)");
}

/// A connection needs a descriptor, answering it two or three more.
std::size_t affordable_connections(std::size_t wanted) {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == -1 || files.rlim_cur == RLIM_INFINITY) {
        return wanted;
    }
    return std::min<std::size_t>(wanted, std::max<std::size_t>(files.rlim_cur / 2, 16));
}

/// "127.0.0.1" of "127.0.0.1:40312".
std::string host_of_peer(const HttpPeer& peer) {
    return peer.address.substr(0, peer.address.rfind(':'));
}

/// One connection as the server's thread sees it.
struct Client {
    Client(asio::io_context& io, int fd, HttpPeer peer, const HttpServing& serving)
        : descriptor(io, fd),
          answered(io, Clock::time_point::max()),
          connection(fd, std::move(peer), serving) {}

    Descriptor descriptor;  // owns the socket
    asio::steady_timer
        answered;  // cancelled when a worker has answered: what the coroutine waits for meanwhile
    HttpConnection connection;
    bool waiting = false;  // for bytes of a head; then `deadline` holds
    bool timed_out = false;
    Clock::time_point deadline{};
};

}  // namespace

HttpPeer http_peer_of(int fd) {
    sockaddr_storage remote{};
    socklen_t length = sizeof remote;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&remote), &length) == -1) {
        return {.address = "unknown"};
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (remote.ss_family == AF_INET) {
        sockaddr_in address{};
        std::memcpy(&address, &remote, sizeof address);
        ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
        return {.address = fmt::format("{}:{}", text.data(), ntohs(address.sin_port))};
    }
    if (remote.ss_family == AF_INET6) {
        sockaddr_in6 address{};
        std::memcpy(&address, &remote, sizeof address);
        ::inet_ntop(AF_INET6, &address.sin6_addr, text.data(), text.size());
        return {.address = fmt::format("[{}]:{}", text.data(), ntohs(address.sin6_port))};
    }
    HttpPeer peer{.address = "unix"};
    ucred credentials{};
    length = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
        peer.uid = credentials.uid;
        peer.pid = credentials.pid;
    }
    return peer;
}

struct HttpServer::State {
    State(HttpServerOptions given, HttpHandler handler);

    asio::awaitable<void> accept_all(Descriptor& listening);
    asio::awaitable<void> serve(std::list<Client>::iterator client);
    asio::awaitable<bool> next_request(Client& client, std::size_t& head);
    asio::awaitable<bool> wait_readable(Client& client, std::chrono::milliseconds limit);
    asio::awaitable<void> run_on_worker(Client& client, std::function<void()> job);
    asio::awaitable<void> watch_deadlines();
    asio::awaitable<void> watch_stop();
    void add_client(UniqueFd socket, HttpPeer peer);
    bool make_room(const std::string& host = {});
    bool has_share_left(const HttpPeer& peer);
    void receive(Client& client, bool& closed);

    HttpServing serving{};
    std::vector<Listener> listeners{};
    std::vector<std::string> addresses{};
    std::size_t max_clients = 0;

    asio::io_context io{1};
    std::list<Client> clients{};
    std::deque<Descriptor> listening{};
    asio::steady_timer sweep{io};
    asio::steady_timer grace{io};
    std::array<char, 65536> buffer{};
    std::unique_ptr<WorkerPool> workers{};
};

HttpServer::State::State(HttpServerOptions given, HttpHandler handler) {
    serving.options = std::move(given);
    serving.handler = std::move(handler);
    serving.stop_event = UniqueFd(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd()"));
    max_clients = affordable_connections(serving.options.max_connections);
    for (const std::string& address : serving.options.listen) {
        listeners.emplace_back(address, serving.options.any_address);
        addresses.push_back(listeners.back().address());
    }
}

/// Closes the connection that has been quiet for longest.
/// @param host of this one only; empty: of anybody. @return false when none waits for a request
bool HttpServer::State::make_room(const std::string& host) {
    const auto may_go = [&](const Client& client) {
        return client.waiting && !client.timed_out &&
               (host.empty() || host_of_peer(client.connection.peer()) == host);
    };
    const auto quietest = std::ranges::min_element(clients, {}, [&](const Client& client) {
        return may_go(client) ? client.deadline : Clock::time_point::max();
    });
    if (quietest == clients.end() || !may_go(*quietest)) {
        return false;
    }
    quietest->timed_out = true;
    quietest->descriptor.cancel();
    return true;
}

/// Whoever has its share already may have one more for one of its own that rests.
bool HttpServer::State::has_share_left(const HttpPeer& peer) {
    const std::size_t share = serving.options.max_per_peer;
    if (share == 0 || peer.uid) {
        return true;
    }
    const std::string host = host_of_peer(peer);
    const auto same = [&](const Client& client) {
        return !client.timed_out && host_of_peer(client.connection.peer()) == host;
    };
    return static_cast<std::size_t>(std::ranges::count_if(clients, same)) < share ||
           make_room(host);
}

void HttpServer::State::add_client(UniqueFd socket, HttpPeer peer) {
    if (!has_share_left(peer)) {
        return;  // closed without a word: nothing was asked yet
    }
    const int on = 1;  // fails on Unix sockets, which have no delay
    static_cast<void>(::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    clients.emplace_front(io, socket.release(), std::move(peer), serving);
    asio::co_spawn(io, serve(clients.begin()), asio::detached);
}

asio::awaitable<void> HttpServer::State::accept_all(Descriptor& socket) {
    asio::steady_timer pause(io);
    while (!serving.stopping) {
        boost::system::error_code error;
        co_await socket.async_wait(Descriptor::wait_read,
                                   asio::redirect_error(asio::use_awaitable, error));
        if (error || serving.stopping) {
            break;
        }
        const bool room = clients.size() < max_clients || make_room();
        UniqueFd accepted(
            room ? ::accept4(socket.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)
                 : -1);
        if (accepted) {
            const int fd = accepted.get();
            add_client(std::move(accepted), http_peer_of(fd));
        } else if (!room || errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                   errno == ENOMEM) {
            // The connection stays in the queue until one ends.
            if (room) {
                make_room();
            }
            pause.expires_after(std::chrono::milliseconds(20));
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        }
    }
}

/// @return false when the time was over, or the server stops
asio::awaitable<bool> HttpServer::State::wait_readable(Client& client,
                                                       std::chrono::milliseconds limit) {
    client.waiting = true;
    client.deadline = std::min(client.deadline, Clock::now() + limit);
    boost::system::error_code error;
    co_await client.descriptor.async_wait(Descriptor::wait_read,
                                          asio::redirect_error(asio::use_awaitable, error));
    client.waiting = false;
    co_return !error && !client.timed_out && !serving.stopping;
}

void HttpServer::State::receive(Client& client, bool& closed) {
    const ssize_t n = ::recv(client.connection.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) {
        client.connection.input.append(buffer.data(), static_cast<std::size_t>(n));
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        closed = true;
    }
}

/// @return false when the connection is to be closed without a word
asio::awaitable<bool> HttpServer::State::next_request(Client& client, std::size_t& head) {
    client.deadline = Clock::time_point::max();
    bool closed = false;
    bool begun = false;
    while (!serving.stopping) {
        std::string& input = client.connection.input;
        if (!input.empty() && !begun) {
            begun = true;
            client.deadline = Clock::time_point::max();
        }
        constexpr char kTlsHandshake = 0x16;
        if (!input.empty() && input.front() == kTlsHandshake) {
            throw HttpError(400, "this server speaks plain HTTP here, the client TLS\n");
        }
        head = end_of_head(input);
        if (head > 0) {
            co_return true;
        }
        const auto limit = begun ? serving.options.header_timeout : serving.options.idle_timeout;
        if (!co_await wait_readable(client, limit)) {
            if (begun && client.timed_out) {
                throw HttpError(408, "the head of the request took too long\n");
            }
            co_return false;
        }
        receive(client, closed);
        if (closed) {
            co_return false;
        }
    }
    co_return false;
}

asio::awaitable<void> HttpServer::State::run_on_worker(Client& client, std::function<void()> job) {
    workers->submit([this, &client, job = std::move(job)] {
        job();
        asio::post(io, [&client] { client.answered.cancel(); });
    });
    boost::system::error_code cancelled;
    co_await client.answered.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

// [region: connection-coroutine]
asio::awaitable<void> HttpServer::State::serve(std::list<Client>::iterator client) {
    HttpConnection& connection = client->connection;
    try {
        bool open = true;
        while (open) {
            std::size_t head = 0;
            std::optional<HttpError> malformed;
            try {
                open = co_await next_request(*client, head);
            } catch (const HttpError& error) {
                malformed = error;
            }
            if (malformed) {
                co_await run_on_worker(*client, [&] { connection.refuse(*malformed); });
                open = false;
            } else if (open) {
                co_await run_on_worker(*client, [&] { connection.serve(head); });
                open = connection.keeps_alive();
            }
        }
    } catch (const std::exception&) {
        // No thread or no memory for this one: it is closed, and the others live on.
    }
    clients.erase(client);
    if (clients.empty() && serving.stopping) {
        grace.cancel();
    }
}
// [/region]

asio::awaitable<void> HttpServer::State::watch_deadlines() {
    const auto shortest = std::min(serving.options.header_timeout, serving.options.idle_timeout);
    const auto interval =
        std::clamp(shortest / 4, std::chrono::milliseconds(10), std::chrono::milliseconds(1000));
    while (!serving.stopping) {
        boost::system::error_code error;
        sweep.expires_after(interval);
        co_await sweep.async_wait(asio::redirect_error(asio::use_awaitable, error));
        const auto now = Clock::now();
        for (Client& client : clients) {
            if (client.waiting && client.deadline <= now) {
                client.timed_out = true;
                client.descriptor.cancel();
            }
        }
    }
}

asio::awaitable<void> HttpServer::State::watch_stop() {
    Descriptor event(io, duplicate(serving.stop_event.get()));
    boost::system::error_code error;
    co_await event.async_wait(Descriptor::wait_read,
                              asio::redirect_error(asio::use_awaitable, error));
    serving.stopping = true;
    for (Descriptor& socket : listening) {
        socket.cancel();
    }
    sweep.cancel();
    for (Client& client : clients) {
        if (client.waiting) {
            client.descriptor.cancel();
        }
    }
    if (!clients.empty()) {
        grace.expires_after(serving.options.stop_grace);
        co_await grace.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
    for (const Client& client : clients) {
        static_cast<void>(::shutdown(client.connection.fd(), SHUT_RDWR));
    }
}

HttpServer::HttpServer(HttpServerOptions options, HttpHandler handler)
    : state_(std::make_unique<State>(std::move(options), std::move(handler))) {}
HttpServer::~HttpServer() = default;

const std::vector<std::string>& HttpServer::addresses() const noexcept {
    return state_->addresses;
}

void HttpServer::run() {
    State& state = *state_;
    state.workers = std::make_unique<WorkerPool>(state.serving.options.max_workers);
    for (const Listener& listener : state.listeners) {
        state.listening.emplace_back(state.io, duplicate(listener.fd()));
        asio::co_spawn(state.io, state.accept_all(state.listening.back()), asio::detached);
    }
    asio::co_spawn(state.io, state.watch_deadlines(), asio::detached);
    asio::co_spawn(state.io, state.watch_stop(), asio::detached);
    state.io.run();
    state.workers.reset();
}

void HttpServer::adopt(UniqueFd socket, HttpPeer peer) {
    check(::fcntl(socket.get(), F_SETFL, O_RDWR | O_NONBLOCK), "fcntl(F_SETFL, O_NONBLOCK)");
    const auto shared = std::make_shared<UniqueFd>(std::move(socket));
    asio::post(state_->io, [this, shared, peer = std::move(peer)] {
        State& state = *state_;
        if (!state.serving.stopping &&
            (state.clients.size() < state.max_clients || state.make_room())) {
            state.add_client(std::move(*shared), peer);
        }
    });
}

void HttpServer::stop() noexcept {
    const std::uint64_t one = 1;
    // It fails only when the counter is full, and then the server has been told often enough.
    const ssize_t ignored = ::write(state_->serving.stop_event.get(), &one, sizeof one);
    static_cast<void>(ignored);
}

}  // namespace drydock
