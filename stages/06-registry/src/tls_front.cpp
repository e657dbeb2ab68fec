#include "tls_front.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <list>
#include <thread>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "06-registry/listen.hpp"

#include "http_connection.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMaxTlsConnections = 512;
constexpr int kHandshakeMilliseconds = 10'000;
constexpr int kQuietMilliseconds = 120'000;  // the server behind closes idle ones much sooner

struct SslFree {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

std::string openssl_words() {
    std::array<char, 256> text{};
    ERR_error_string_n(ERR_get_error(), text.data(), text.size());
    ERR_clear_error();
    return text.data();
}

std::unique_ptr<SSL_CTX, SslFree> context_of(const TlsFiles& files) {
    std::unique_ptr<SSL_CTX, SslFree> context(SSL_CTX_new(TLS_server_method()));
    if (!context) {
        throw std::bad_alloc();
    }
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
        throw InputError(fmt::format("--tls-cert {}: expected a certificate in PEM: {}",
                                     files.certificate.native(), openssl_words()));
    }
    if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
        throw InputError(fmt::format("--tls-key {}: expected the certificate's key in PEM: {}",
                                     files.key.native(), openssl_words()));
    }
    return context;
}

/// One connection: bytes of the TLS side for the plain side, and back.
class TlsPump {
  public:
    TlsPump(SSL* ssl, int socket, int stop) : ssl_(ssl), socket_(socket), stop_(stop) {}

    /// @return false when the client does not manage a handshake in time
    bool handshake() {
        const auto end =
            std::chrono::steady_clock::now() + std::chrono::milliseconds(kHandshakeMilliseconds);
        while (std::chrono::steady_clock::now() < end) {
            const int rc = SSL_accept(ssl_);
            if (rc == 1) {
                return true;
            }
            want(rc);
            if (failed_ || !wait(kHandshakeMilliseconds)) {
                return false;
            }
        }
        return false;
    }

    void run(int plain) {
        plain_ = plain;
        while (!failed_) {
            events_ = {};
            plain_events_ = 0;
            const bool moved = inwards() | outwards();
            if (plain_ended_ && out_.empty()) {
                SSL_shutdown(ssl_);
                return;
            }
            if (!moved && !wait(kQuietMilliseconds)) {
                return;
            }
        }
    }

  private:
    void want(int rc) {
        const int error = SSL_get_error(ssl_, rc);
        if (error == SSL_ERROR_WANT_READ) {
            events_ |= POLLIN;
        } else if (error == SSL_ERROR_WANT_WRITE) {
            events_ |= POLLOUT;
        } else {
            failed_ = error != SSL_ERROR_ZERO_RETURN;
            socket_ended_ = true;
            ERR_clear_error();
        }
    }

    bool wait(int milliseconds) const {
        std::array<pollfd, 3> fds{
            {{.fd = socket_, .events = events_, .revents = 0},
             {.fd = stop_, .events = POLLIN, .revents = 0},
             {.fd = plain_events_ != 0 ? plain_ : -1, .events = plain_events_, .revents = 0}}};
        const int n = ::poll(fds.data(), fds.size(), milliseconds);
        return (n > 0 || (n == -1 && errno == EINTR)) && fds[1].revents == 0;
    }

    bool inwards() {
        if (in_.empty() && !socket_ended_) {
            const int n = SSL_read(ssl_, buffer_.data(), static_cast<int>(buffer_.size()));
            if (n > 0) {
                in_.assign(buffer_.data(), static_cast<std::size_t>(n));
            } else {
                want(n);
                if (socket_ended_) {
                    ::shutdown(plain_, SHUT_WR);
                }
            }
        }
        return !in_.empty() && move_to_plain();
    }

    bool move_to_plain() {
        const ssize_t n = ::send(plain_, in_.data(), in_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            in_.erase(0, static_cast<std::size_t>(n));
            return true;
        }
        if (errno == EAGAIN) {
            plain_events_ |= POLLOUT;
        } else {
            failed_ = errno != EINTR;
        }
        return false;
    }

    bool outwards() {
        if (out_.empty() && !plain_ended_) {
            const ssize_t n = ::recv(plain_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
            if (n > 0) {
                out_.assign(buffer_.data(), static_cast<std::size_t>(n));
            } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                plain_ended_ = true;
            } else {
                plain_events_ |= POLLIN;
            }
        }
        if (out_.empty()) {
            return false;
        }
        const int n = SSL_write(ssl_, out_.data(), static_cast<int>(out_.size()));
        if (n > 0) {
            out_.erase(0, static_cast<std::size_t>(n));
            return true;
        }
        want(n);
        return false;
    }

    SSL* ssl_;
    int socket_;
    int stop_;
    int plain_ = -1;
    std::array<char, std::size_t{64} << 10U> buffer_{};
    std::string in_{};
    std::string out_{};
    short events_ = 0;
    short plain_events_ = 0;
    bool socket_ended_ = false;
    bool plain_ended_ = false;
    bool failed_ = false;
};

}  // namespace

struct TlsFront::State {
    struct Connection {
        std::atomic<bool> done = false;
        std::thread thread{};
    };

    State(const TlsFiles& files, const std::string& listen, bool any_address, HandOver given)
        : context(context_of(files)),
          listener(listen, any_address),
          stop(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd()")),
          hand_over(std::move(given)) {}

    void accept_all();
    void serve(int fd, const HttpPeer& peer) noexcept;
    void reap();

    std::unique_ptr<SSL_CTX, SslFree> context;
    Listener listener;
    UniqueFd stop;
    HandOver hand_over;
    std::list<Connection> connections{};
    std::thread acceptor{};
};

void TlsFront::State::reap() {
    std::erase_if(connections, [](Connection& connection) {
        if (connection.done) {
            connection.thread.join();
        }
        return connection.done.load();
    });
}

void TlsFront::State::serve(int fd, const HttpPeer& peer) noexcept {
    try {
        const UniqueFd socket(fd);
        const std::unique_ptr<SSL, SslFree> ssl(SSL_new(context.get()));
        if (!ssl || SSL_set_fd(ssl.get(), socket.get()) != 1) {
            return;
        }
        const auto pump = std::make_unique<TlsPump>(ssl.get(), socket.get(), stop.get());
        if (!pump->handshake()) {
            return;
        }
        std::array<int, 2> pair{};
        check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), "socketpair()");
        const UniqueFd ours(pair[0]);
        hand_over(UniqueFd(pair[1]), peer);
        pump->run(ours.get());
    } catch (const std::exception&) {
        return;  // this connection is closed, the others live on
    }
}

void TlsFront::State::accept_all() {
    while (true) {
        std::array<pollfd, 2> fds{{{.fd = listener.fd(), .events = POLLIN, .revents = 0},
                                   {.fd = stop.get(), .events = POLLIN, .revents = 0}}};
        constexpr int kReapMilliseconds = 1000;
        const int n = ::poll(fds.data(), fds.size(), kReapMilliseconds);
        reap();
        if (fds[1].revents != 0) {
            return;
        }
        if (n <= 0 || connections.size() >= kMaxTlsConnections) {
            continue;
        }
        const int fd = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd == -1) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            continue;
        }
        Connection& connection = connections.emplace_back();
        connection.thread = std::thread([this, fd, &connection] {
            serve(fd, http_peer_of(fd));
            connection.done = true;
        });
    }
}

TlsFront::TlsFront(const TlsFiles& files, const std::string& listen, bool any_address,
                   HandOver hand_over)
    : state_(std::make_unique<State>(files, listen, any_address, std::move(hand_over))) {
    state_->acceptor = std::thread([this] { state_->accept_all(); });
}

TlsFront::~TlsFront() {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(state_->stop.get(), &one, sizeof one));
    state_->acceptor.join();
    for (State::Connection& connection : state_->connections) {
        connection.thread.join();
    }
}

const std::string& TlsFront::address() const {
    return state_->listener.address();
}

}  // namespace drydock
