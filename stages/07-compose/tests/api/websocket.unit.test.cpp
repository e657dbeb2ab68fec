#include "api/websocket.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "01-chroot/unique_fd.hpp"

#include "testing/catch.hpp"

using namespace drydock::api;

namespace {

/// A frame as a client sends it, masked.
std::string masked(unsigned first, const std::string& payload, bool long_length = false) {
    std::string frame(1, static_cast<char>(first));
    if (long_length) {
        frame += static_cast<char>(0x80U | 127U);
        frame += std::string(6, '\0');
        frame += static_cast<char>(payload.size() >> 8U);
        frame += static_cast<char>(payload.size() & 0xFFU);
    } else {
        frame += static_cast<char>(0x80U | payload.size());
    }
    const std::array<char, 4> mask = {0x11, 0x22, 0x33, 0x44};
    frame.append(mask.data(), mask.size());
    for (std::size_t i = 0; i < payload.size(); ++i) {
        frame += static_cast<char>(payload[i] ^ mask[i % 4]);
    }
    return frame;
}

struct Heard {
    std::string data{};
    std::string pings{};
    bool open = true;
};
/// What a reader makes of it when it comes in pieces of that size.
Heard heard(const std::string& bytes, std::size_t piece) {
    Heard result;
    WebsocketReader reader([&](std::string_view data) { result.data += data; },
                           [&](std::string_view ping) {
                               result.pings += ping;
                               result.pings += ';';
                           });
    for (std::size_t at = 0; at < bytes.size() && result.open; at += piece) {
        result.open = reader.feed(std::string_view(bytes).substr(at, piece));
    }
    return result;
}

}  // namespace

TEST_CASE("WebSocket: the handshake's answer is RFC 6455's", "[07][websocket]") {
    CHECK(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("WebSocket: messages, pieces of messages, pings and the end, however the bytes come",
          "[07][websocket]") {
    const std::string bytes = masked(0x81, "hello ") + masked(0x02, "wor") + masked(0x89, "p") +
                              masked(0x80, "ld") + masked(0x89, "") + masked(0x8A, "pong") +
                              masked(0x82, std::string(300, 'x'), true) + masked(0x82, "") +
                              masked(0x88, "\x03\xe8") + masked(0x81, "not read");
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, bytes.size()}) {
        const Heard all = heard(bytes, piece);
        CHECK(all.data == "hello world" + std::string(300, 'x'));
        CHECK(all.pings == "p;;");
        CHECK_FALSE(all.open);
    }
    CHECK(heard("", 1).open);
}

TEST_CASE("WebSocket: what no client may send is refused", "[07][websocket]") {
    const std::string unmasked = {'\x81', '\x01', '\0', '\0', '\0', '\0', 'x'};
    CHECK_THROWS_AS(heard(unmasked, 100), WebsocketError);
    CHECK_THROWS_AS(heard(masked(0xC1, "reserved bit"), 100), WebsocketError);
    CHECK_THROWS_AS(heard(masked(0x83, "no such kind"), 100), WebsocketError);
    CHECK_THROWS_AS(heard(masked(0x8B, "no such control"), 100), WebsocketError);
    CHECK_THROWS_AS(heard(masked(0x09, "ping in pieces"), 100), WebsocketError);
    CHECK_THROWS_AS(heard(masked(0x89, std::string(300, 'x'), true), 1000), WebsocketError);
    CHECK_THROWS_AS(heard(masked(0x80, "the middle of none"), 100), WebsocketError);
    CHECK_THROWS_AS(heard(masked(0x01, "a") + masked(0x81, "b"), 100), WebsocketError);
}

TEST_CASE("WebSocket: frames of a server have the shortest length that fits", "[07][websocket]") {
    CHECK(websocket_frame(Opcode::Text, "hi") == "\x81\x02hi");
    CHECK(websocket_frame(Opcode::Binary, std::string(126, 'x')).substr(0, 4) ==
          std::string({'\x82', '\x7e', '\x00', '\x7e'}));
    CHECK(websocket_frame(Opcode::Binary, std::string(65536, 'x')).substr(0, 10) ==
          std::string({'\x82', '\x7f', 0, 0, 0, 0, 0, 1, 0, 0}));
    CHECK(websocket_close(1000) == "\x88\x02\x03\xe8");
}

TEST_CASE("WebSocket: a relay answers pings, and tells who breaks the protocol",
          "[07][websocket]") {
    const auto exchange = [](const std::string& from_client, const std::string& from_stream) {
        std::array<int, 2> client{};
        std::array<int, 2> stream{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client.data()) == 0);
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream.data()) == 0);
        drydock::UniqueFd far_client(client[0]);
        drydock::UniqueFd far_stream(stream[0]);
        const drydock::UniqueFd near_client(client[1]);
        drydock::UniqueFd near_stream(stream[1]);
        std::thread relay([&] {
            relay_websocket(near_client.get(), "", near_stream.get(), Opcode::Binary,
                            [] { return true; });
            near_stream = drydock::UniqueFd();
            ::shutdown(near_client.get(), SHUT_RDWR);
        });
        static_cast<void>(::send(far_stream.get(), from_stream.data(), from_stream.size(), 0));
        static_cast<void>(::send(far_client.get(), from_client.data(), from_client.size(), 0));
        std::string said(4096, '\0');
        std::size_t got = 0;
        const auto read_all = [&](int fd) {
            for (ssize_t n = 1; n > 0; got += static_cast<std::size_t>(n > 0 ? n : 0)) {
                n = ::recv(fd, said.data() + got, said.size() - got, 0);
            }
        };
        read_all(far_client.get());
        relay.join();
        said.resize(got);
        return said;
    };
    CHECK(exchange(masked(0x89, "are you there") + masked(0x88, ""), "") ==
          websocket_frame(Opcode::Pong, "are you there") + websocket_close(1000));
    CHECK_THAT(exchange(masked(0x83, "nonsense"), ""),
               Catch::Matchers::EndsWith(websocket_close(1002)));
}
