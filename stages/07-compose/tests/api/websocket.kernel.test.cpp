// A container's streams over a WebSocket, byte by byte as a browser sends and reads them.
#include <string>

#include "testing/catch.hpp"

#include "api/test_daemon.hpp"

namespace {

using drydock::testing::ContainsSubstring;
using drydock::testing::HttpRequestUnderWay;
using drydock::testing::TestDaemon;
using nlohmann::json;

constexpr const char* kHandshake =
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// With a mask of zeros, which masks nothing, and is one.
std::string from_client(char first, const std::string& payload) {
    std::string frame = {first, static_cast<char>(0x80U | payload.size()), '\0', '\0', '\0', '\0'};
    return frame + payload;
}

/// What is in the server's frames, and the number of the last one's kind.
std::pair<std::string, int> unwrapped(const std::string& frames) {
    std::string text;
    int kind = -1;
    for (std::size_t at = 0; at + 2 <= frames.size();) {
        kind = frames[at] & 0x0F;
        std::size_t size = static_cast<unsigned char>(frames[at + 1]);
        at += 2;
        if (size == 126) {
            size = static_cast<std::size_t>(static_cast<unsigned char>(frames[at])) << 8U |
                   static_cast<unsigned char>(frames[at + 1]);
            at += 2;
        }
        if (kind == 1 || kind == 2) {
            text += frames.substr(at, size);
        }
        at += size;
    }
    return {text, kind};
}

std::string path_of(const std::string& id, const std::string& query) {
    return "/containers/" + id + "/attach/ws?" + query;
}

}  // namespace

TEST_CASE("attach/ws: input goes in, output comes out, the end is said", "[07][websocket]") {
    const TestDaemon daemon;
    const std::string id = daemon.create("read line; echo \"got $line\"; echo to err >&2",
                                         {{"OpenStdin", true}, {"StdinOnce", true}});
    HttpRequestUnderWay socket(daemon.socket(), "GET",
                               path_of(id, "stream=1&stdin=1&stdout=1&stderr=1"), "", kHandshake);
    CHECK(socket.head().status == 101);
    CHECK(drydock::testing::Reply(socket.head()).headers["sec-websocket-accept"] ==
          "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    drydock::write_all(socket.fd(), from_client('\x81', "hello\n"), "WebSocket");
    const auto [text, kind] = unwrapped(socket.finish().body);
    CHECK_THAT(text, ContainsSubstring("got hello\n") && ContainsSubstring("to err\n"));
    CHECK(kind == 8);
    CHECK(daemon.wait(id) == 0);
}

TEST_CASE("attach/ws: what was written before comes with logs=1, text to old clients",
          "[07][websocket]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("echo before");
    CHECK(daemon.wait(id) == 0);
    HttpRequestUnderWay socket(daemon.socket(), "GET",
                               "/v1.24" + path_of(id, "logs=1&stdout=1&stderr=1"), "", kHandshake);
    const std::string frames = socket.finish().body;
    CHECK(unwrapped(frames).first == "before\n");
    CHECK(frames.front() == '\x81');
}

TEST_CASE("attach/ws: a client that goes away leaves the container as it is", "[07][websocket]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("while :; do echo on; sleep 0.05; done");
    {
        HttpRequestUnderWay socket(daemon.socket(), "GET", path_of(id, "stream=1&stdout=1"), "",
                                   kHandshake);
        CHECK(socket.head().status == 101);
        CHECK(socket.readable(10'000));
    }
    CHECK(daemon.state(id)["Running"] == true);
    HttpRequestUnderWay polite(daemon.socket(), "GET", path_of(id, "stream=1&stdout=1"), "",
                               kHandshake);
    CHECK(polite.head().status == 101);
    drydock::write_all(polite.fd(), from_client('\x88', ""), "WebSocket");
    CHECK(unwrapped(polite.finish().body).second == 8);
    CHECK(daemon.state(id)["Running"] == true);
}

TEST_CASE("attach/ws: what is no handshake, or no container, is refused in HTTP",
          "[07][websocket]") {
    const TestDaemon daemon;
    const std::string id = daemon.create("true");
    const auto status = [&](const std::string& path, const std::string& headers) {
        return HttpRequestUnderWay(daemon.socket(), "GET", path, "", headers).finish().status;
    };
    CHECK(status(path_of(id, "stream=1"), "") == 400);
    CHECK(status(path_of(id, "stream=1"), "Upgrade: tcp\r\n") == 400);
    CHECK(status(path_of(id, "stream=1"),
                 "Upgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 8\r\n") ==
          400);
    CHECK(status(path_of(id, ""), kHandshake) == 400);
    CHECK(status(path_of("nobody", "stream=1"), kHandshake) == 404);
}
