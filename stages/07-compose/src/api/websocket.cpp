#include "api/websocket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include <openssl/evp.h>

#include "01-chroot/check.hpp"

#include "api/base64.hpp"

namespace drydock::api {
namespace {

constexpr unsigned kLastFrame = 0x80;
constexpr unsigned kReserved = 0x70;
constexpr unsigned kMasked = 0x80;
constexpr unsigned kLowBits = 0x7F;
constexpr std::uint64_t kLength16 = 126;
constexpr std::uint64_t kLength64 = 127;
constexpr std::size_t kMaskSize = 4;

unsigned byte_at(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

bool is_control(Opcode opcode) {
    return (static_cast<unsigned>(opcode) & 8U) != 0;
}

std::size_t length_size(unsigned low_bits) {
    return low_bits == kLength16 ? 2 : low_bits == kLength64 ? 8 : 0;
}

void append_number(std::string& to, std::uint64_t number, std::size_t bytes) {
    for (std::size_t i = bytes; i > 0; --i) {
        to += static_cast<char>(number >> (8 * (i - 1)) & 0xFFU);
    }
}

/// What is on its way to one side.
class Outbox {
  public:
    explicit Outbox(int fd) : fd_(fd) {}
    void add(std::string_view bytes) { waiting_ += bytes; }
    [[nodiscard]] bool empty() const { return waiting_.empty(); }
    [[nodiscard]] bool full() const { return waiting_.size() >= kEnough; }
    /// @return false when nobody takes it any more
    bool send_some() {
        const ssize_t sent =
            ::send(fd_, waiting_.data(), waiting_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            waiting_.erase(0, static_cast<std::size_t>(sent));
        }
        return sent >= 0 || errno == EAGAIN || errno == EINTR;
    }

  private:
    static constexpr std::size_t kEnough = std::size_t{256} << 10U;
    int fd_;
    std::string waiting_{};
};

/// A connection and a stream, each with what is on its way to it.
class WebsocketRelay {
  public:
    WebsocketRelay(int client, int stream, Opcode kind)
        : client_(client),
          stream_(stream),
          kind_(kind),
          to_client_(client),
          to_stream_(stream),
          reader_([this](std::string_view bytes) { to_stream_.add(bytes); },
                  [this](std::string_view bytes) {
                      to_client_.add(websocket_frame(Opcode::Pong, bytes));
                  }) {}

    void take(std::string_view bytes) {
        try {
            if (!reader_.feed(bytes)) {
                say_goodbye(1000);
            }
        } catch (const WebsocketError&) {
            say_goodbye(1002);
        }
    }

    /// @return false at the end
    bool step() {
        std::array<pollfd, 2> events{{{client_, 0, 0}, {stream_, 0, 0}}};
        if (!goodbye_said_) {
            events[0].events = to_stream_.full() ? 0 : POLLIN;
            events[1].events = to_client_.full() ? 0 : POLLIN;
        }
        events[0].events =
            static_cast<short>(events[0].events | (to_client_.empty() ? 0 : POLLOUT));
        events[1].events =
            static_cast<short>(events[1].events | (to_stream_.empty() ? 0 : POLLOUT));
        constexpr int kNowAndThenMs = 500;
        if (::poll(events.data(), events.size(), kNowAndThenMs) == -1 && errno != EINTR) {
            check(-1, "poll(WebSocket, stream)");
        }
        return serve_client(events[0].revents) && serve_stream(events[1].revents) &&
               !(goodbye_said_ && to_client_.empty());
    }

  private:
    void say_goodbye(std::uint16_t code) {
        to_client_.add(websocket_close(code));
        goodbye_said_ = true;
    }

    bool serve_client(int events) {
        if ((events & (POLLERR | POLLNVAL)) != 0 ||
            ((events & POLLOUT) != 0 && !to_client_.send_some())) {
            return false;
        }
        if (!goodbye_said_ && (events & (POLLIN | POLLHUP)) != 0) {
            const ssize_t got = ::recv(client_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
            if (got > 0) {
                take({buffer_.data(), static_cast<std::size_t>(got)});
            }
            return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
        }
        return (events & POLLHUP) == 0;
    }

    bool serve_stream(int events) {
        if ((events & POLLOUT) != 0 && !to_stream_.send_some()) {
            say_goodbye(1000);
        }
        if (!goodbye_said_ && (events & (POLLIN | POLLHUP | POLLERR)) != 0) {
            const ssize_t got = ::recv(stream_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
            if (got > 0) {
                to_client_.add(websocket_frame(
                    kind_, std::string_view(buffer_.data(), static_cast<std::size_t>(got))));
            } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
                say_goodbye(1000);
            }
        }
        return true;
    }

    int client_;
    int stream_;
    Opcode kind_;
    Outbox to_client_;
    Outbox to_stream_;
    WebsocketReader reader_;
    std::vector<char> buffer_ = std::vector<char>(std::size_t{32} << 10U);
    bool goodbye_said_ = false;
};

}  // namespace

std::string websocket_accept(std::string_view key) {
    const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    // SHA-1 proves here that the server speaks the protocol, nothing else.
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) {
        throw std::runtime_error("EVP_Digest(SHA-1) failed");
    }
    return base64(std::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

std::string websocket_frame(Opcode opcode, std::string_view payload) {
    constexpr std::size_t kMost16 = 0xFFFF;
    std::string frame(1, static_cast<char>(kLastFrame | static_cast<unsigned>(opcode)));
    if (payload.size() < kLength16) {
        frame += static_cast<char>(payload.size());
    } else if (payload.size() <= kMost16) {
        frame += static_cast<char>(kLength16);
        append_number(frame, payload.size(), 2);
    } else {
        frame += static_cast<char>(kLength64);
        append_number(frame, payload.size(), 8);
    }
    frame += payload;
    return frame;
}

std::string websocket_close(std::uint16_t code) {
    std::string payload;
    append_number(payload, code, 2);
    return websocket_frame(Opcode::Close, payload);
}

WebsocketReader::WebsocketReader(std::function<void(std::string_view)> data,
                                 std::function<void(std::string_view)> ping)
    : data_(std::move(data)), ping_(std::move(ping)) {}

bool WebsocketReader::feed(std::string_view bytes) {
    while (!closed_ && (!bytes.empty() || (in_payload_ && left_ == 0))) {
        if (in_payload_) {
            take_payload(bytes);
            continue;
        }
        head_ += bytes.front();
        bytes.remove_prefix(1);
        if (head_.size() == head_size()) {
            begin_frame();
        }
    }
    return !closed_;
}

/// As far as what has come of it tells.
std::size_t WebsocketReader::head_size() const {
    return head_.size() < 2 ? 2 : 2 + length_size(byte_at(head_, 1) & kLowBits) + kMaskSize;
}

void WebsocketReader::begin_frame() {
    const unsigned first = byte_at(head_, 0);
    const unsigned second = byte_at(head_, 1);
    opcode_ = static_cast<Opcode>(first & 0xFU);
    last_ = (first & kLastFrame) != 0;
    const std::size_t bytes_of_length = length_size(second & kLowBits);
    left_ = bytes_of_length == 0 ? second & kLowBits : 0;
    for (std::size_t i = 0; i < bytes_of_length; ++i) {
        left_ = left_ << 8U | byte_at(head_, 2 + i);
    }
    head_.copy(mask_.data(), kMaskSize, head_.size() - kMaskSize);
    head_.clear();
    at_ = 0;
    in_payload_ = true;
    control_.clear();
    const bool known =
        opcode_ <= Opcode::Binary || (is_control(opcode_) && opcode_ <= Opcode::Pong);
    if ((first & kReserved) != 0 || (second & kMasked) == 0 || !known) {
        throw WebsocketError("a frame that is not masked, or of no known kind");
    }
    if (is_control(opcode_) && (!last_ || left_ >= kLength16)) {
        throw WebsocketError("a control frame in pieces, or too long");
    }
    if (!is_control(opcode_) && (opcode_ == Opcode::Continuation) != in_message_) {
        throw WebsocketError("a message within a message, or the middle of none");
    }
}

void WebsocketReader::take_payload(std::string_view& bytes) {
    const std::size_t size = std::min<std::uint64_t>(left_, bytes.size());
    std::string piece(bytes.substr(0, size));
    bytes.remove_prefix(size);
    for (char& c : piece) {
        c = static_cast<char>(c ^ mask_[at_++ % kMaskSize]);
    }
    left_ -= size;
    if (is_control(opcode_)) {
        control_ += piece;
    } else if (!piece.empty()) {
        data_(piece);
    }
    if (left_ == 0) {
        end_frame();
    }
}

void WebsocketReader::end_frame() {
    in_payload_ = false;
    if (opcode_ == Opcode::Close) {
        closed_ = true;
    } else if (opcode_ == Opcode::Ping) {
        ping_(control_);
    } else if (!is_control(opcode_)) {
        in_message_ = !last_;
    }
}

void relay_websocket(int client, std::string_view already_read, int stream, Opcode kind,
                     const std::function<bool()>& go_on) {
    WebsocketRelay relay(client, stream, kind);
    relay.take(already_read);
    while (go_on() && relay.step()) {
    }
}

}  // namespace drydock::api
