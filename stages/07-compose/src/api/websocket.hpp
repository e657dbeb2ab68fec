#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace drydock::api {

// WebSockets as a server speaks them, behind a handshake that our own HTTP server has read: RFC
// 6455.

/// The value of Sec-WebSocket-Accept that answers a Sec-WebSocket-Key.
std::string websocket_accept(std::string_view key);

enum class Opcode : std::uint8_t {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10
};

/// A whole frame with that payload.
std::string websocket_frame(Opcode opcode, std::string_view payload);
/// The frame that ends a connection. @param code 1000: all is well, 1002: the client broke the
/// protocol
std::string websocket_close(std::uint16_t code);

/// The client sent what no client may.
class WebsocketError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Takes apart what a client sends. Messages are passed on as they come, so that none is too long.
class WebsocketReader {
  public:
    /// @param data gets the bytes of messages, text and binary alike
    /// @param ping gets the payload of a ping, which has to be answered with a pong
    WebsocketReader(std::function<void(std::string_view)> data,
                    std::function<void(std::string_view)> ping);

    /// @return false once the client has said that it ends the connection; what is behind that is
    /// not read
    /// @throws WebsocketError
    bool feed(std::string_view bytes);

  private:
    [[nodiscard]] std::size_t head_size() const;
    void begin_frame();
    void take_payload(std::string_view& bytes);
    void end_frame();

    std::function<void(std::string_view)> data_;
    std::function<void(std::string_view)> ping_;
    std::string head_{};     ///< what has come of a frame's head
    std::string control_{};  ///< what has come of a control frame's payload
    Opcode opcode_ = Opcode::Continuation;
    std::array<char, 4> mask_{};
    std::uint64_t left_ = 0;  ///< of the payload
    std::uint64_t at_ = 0;    ///< in the payload
    bool in_payload_ = false;
    bool in_message_ = false;  ///< its last frame has not come
    bool last_ = false;        ///< this frame is a message's last
    bool closed_ = false;
};

/// Passes messages of the client on to `stream`, and what comes from there to the client, until one
/// of both ends, or `go_on` says no (asked now and then).
/// @param client connected, the handshake is done; `already_read` of it comes first
/// @param kind of the messages to the client
void relay_websocket(int client, std::string_view already_read, int stream, Opcode kind,
                     const std::function<bool()>& go_on);

}  // namespace drydock::api
