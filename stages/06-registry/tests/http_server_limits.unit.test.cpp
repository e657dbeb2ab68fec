// What an HttpServer does with slow clients, too many of them, and at its own end.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "06-registry/http_client.hpp"

#include "testing/catch.hpp"

#include "http_fixture.hpp"
#include "raw_client.hpp"

using namespace drydock;
using namespace drydock::testing;
using namespace std::chrono_literals;

TEST_CASE("HttpServer: a client that does not finish its head is cut off, one that idles too",
          "[06][http]") {
    RunningServer server(echo, {.header_timeout = 200ms, .idle_timeout = 400ms});
    RawClient slow(server.address());
    slow.send("GET / HTTP/1.1\r\nHost:");
    CHECK(status_of(slow.read_to_end()) == 408);
    RawClient idle(server.address());
    CHECK(idle.read_to_end().empty());
}

TEST_CASE("HttpServer: a client that stalls within a body is cut off", "[06][http]") {
    RunningServer server(echo, {.stall_timeout = 200ms});
    RawClient client(server.address());
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    CHECK(client.read_to_end().empty());
}

TEST_CASE("HttpServer: when there is no room the connection that idles longest makes it",
          "[06][http]") {
    RunningServer server(echo, {.max_connections = 3});
    RawClient first(server.address());
    first.send(get("/"));
    CHECK(status_of(first.read_response()) == 200);
    std::vector<RawClient> others;
    for (int i = 0; i < 5; ++i) {
        others.emplace_back(server.address()).send(get("/"));
        CHECK(status_of(others.back().read_response()) == 200);
    }
    CHECK(first.read_to_end().empty());
}

TEST_CASE("HttpServer: stop ends run, also while a handler streams", "[06][http]") {
    std::atomic<bool> streaming = false;
    const auto begin = std::chrono::steady_clock::now();
    {
        RunningServer server([&](HttpExchange& exchange) {
            [[maybe_unused]] const HttpStream stream = exchange.begin_stream(200, {});
            streaming = true;
            static_cast<void>(exchange.wait_for(-1, 60s));
        });
        RawClient client(server.address());
        const RawClient idle(server.address());
        client.send(get("/"));
        for (int i = 0; i < 1000 && !streaming; ++i) {
            std::this_thread::sleep_for(10ms);
        }
    }
    CHECK(streaming);
    CHECK(std::chrono::steady_clock::now() - begin < 20s);
}

TEST_CASE("HttpServer: stop cuts a client that holds a handler up, after the grace", "[06][http]") {
    std::atomic<bool> reading = false;
    const auto begin = std::chrono::steady_clock::now();
    {
        RunningServer server(
            [&](HttpExchange& exchange) {
                reading = true;
                static_cast<void>(exchange.read_body(1000));
            },
            {.stop_grace = 100ms});
        RawClient client(server.address());
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
        for (int i = 0; i < 1000 && !reading; ++i) {
            std::this_thread::sleep_for(10ms);
        }
    }
    CHECK(reading);
    CHECK(std::chrono::steady_clock::now() - begin < 20s);
}

TEST_CASE(
    "HttpServer: a Unix socket is for owner and group, tells who connects, and goes with the "
    "server",
    "[06][http]") {
    const TempDir directory("drydock-test-");
    const std::filesystem::path path = directory.path() / "x.sock";
    const mode_t before = ::umask(077);
    {
        RunningServer server(
            [](HttpExchange& exchange) {
                exchange.respond(200, {},
                                 fmt::format("uid={}", exchange.request().peer.uid.value_or(99)));
            },
            {.listen = {"unix://" + path.native()}});
        struct stat status{};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777U) == 0660);
        RawClient client(server.address());
        client.send(get("/"));
        CHECK_THAT(client.read_response(), ContainsSubstring(fmt::format("uid={}", ::getuid())));
        CHECK_THROWS_WITH(HttpServer({.listen = {"unix://" + path.native()}}, echo),
                          ContainsSubstring("another process listens there"));
    }
    ::umask(before);
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("HttpServer: a Unix socket that nobody listens on any more is replaced, a file is not",
          "[06][http]") {
    const TempDir directory("drydock-test-");
    const std::filesystem::path path = directory.path() / "x.sock";
    const std::filesystem::path moved = directory.path() / "moved.sock";
    {
        const HttpServer dead({.listen = {"unix://" + path.native()}}, echo);
        std::filesystem::rename(path, moved);
    }
    std::filesystem::rename(moved, path);
    {
        RunningServer server(echo, {.listen = {"unix://" + path.native()}});
        RawClient client(server.address());
        client.send(get("/"));
        CHECK(status_of(client.read_response()) == 200);
    }
    std::ofstream(path) << "precious";
    CHECK_THROWS_WITH(HttpServer({.listen = {"unix://" + path.native()}}, echo),
                      ContainsSubstring("something else"));
    CHECK(read_file(path) == "precious");
}

TEST_CASE("HttpServer: can listen again on the port where it ended connections", "[06][http]") {
    std::string address;
    {
        RunningServer server(echo);
        address = server.address();
        RawClient client(address);
        client.send(get("/", "Connection: close\r\n"));
        CHECK(status_of(client.read_to_end()) == 200);  // it closed first: TIME_WAIT is on its side
    }
    RunningServer again(echo, {.listen = {address}});
    RawClient client(address);
    client.send(get("/"));
    CHECK(status_of(client.read_response()) == 200);
}

TEST_CASE("HttpServer: what is no address is refused with what would be one", "[06][http]") {
    const auto listening_on = [](const std::string& address) {
        HttpServer({.listen = {address}}, echo);
    };
    for (const char* wrong :
         {"", "nowhere", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", ":5000",
          "unix://relative", "example.org:5000", "127.0.0.1:5000/x"}) {
        INFO(wrong);
        CHECK_THROWS_AS(listening_on(wrong), InputError);
    }
    CHECK_THROWS_WITH(listening_on("0.0.0.0:0"), ContainsSubstring("others could reach it"));
    CHECK_THROWS_WITH(listening_on("unix:///" + std::string(200, 'x')),
                      ContainsSubstring("at most 107 bytes"));
    RunningServer server(echo);
    CHECK_THROWS_WITH(listening_on(server.address()),
                      ContainsSubstring("another process listens there"));
    CHECK_NOTHROW(HttpServer({.listen = {"0.0.0.0:0"}, .any_address = true}, echo));
}

TEST_CASE("HttpServer: one address holds its share of the connections, others come in",
          "[06][http]") {
    RunningServer server([](HttpExchange& exchange) { exchange.respond(200, {}, "ok"); },
                         {.max_connections = 8, .max_per_peer = 3});
    const auto connect_from = [&](const char* address) {
        UniqueFd fd(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket()"));
        sockaddr_in from{};
        from.sin_family = AF_INET;
        ::inet_pton(AF_INET, address, &from.sin_addr);
        check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from), "bind()");
        sockaddr_in to = from;
        ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
        const std::string& text = server.address();
        to.sin_port =
            htons(static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':') + 1))));
        check(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect()");
        return fd;
    };
    const auto is_open = [](const UniqueFd& fd) {
        pollfd gone{.fd = fd.get(), .events = POLLRDHUP, .revents = 0};
        return ::poll(&gone, 1, 0) == 0;
    };
    std::vector<UniqueFd> greedy;
    for (int i = 0; i < 8; ++i) {
        greedy.push_back(connect_from("127.0.0.2"));
    }
    std::ptrdiff_t open = 8;
    for (int i = 0; i < 500 && open > 3; ++i) {
        open = std::ranges::count_if(greedy, is_open);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(open == 3);
    CHECK(is_open(greedy.back()));  // what rests the longest makes room for what is new
    std::vector<UniqueFd> others;
    for (const char* address : {"127.0.0.3", "127.0.0.4"}) {
        others.push_back(connect_from(address));
    }
    HttpClient client;
    CHECK(client.call({.url = "http://" + server.address()}).body == "ok");
    CHECK(std::ranges::all_of(others, is_open));
    CHECK(std::ranges::count_if(greedy, is_open) == 3);
}
