#include "06-registry/http_server.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

#include "http_fixture.hpp"
#include "raw_client.hpp"

using namespace drydock;
using namespace drydock::testing;
using namespace std::chrono_literals;

TEST_CASE("HttpServer: a connection serves several requests, also when they are sent at once",
          "[06][http]") {
    RunningServer server(echo);
    RawClient client(server.address());
    client.send(get("/a%20b?q=1+2&q=%26&e") +
                "POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    const std::string first = client.read_response();
    CHECK(status_of(first) == 200);
    CHECK_THAT(first, ContainsSubstring("GET /a b [] e= q=1 2 q=&"));
    CHECK_THAT(client.read_response(), ContainsSubstring("POST /c [abc]"));
}

TEST_CASE("HttpServer: a chunked body arrives whole however it is cut", "[06][http]") {
    RunningServer server(echo);
    RawClient client(server.address());
    const std::string request =
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\n\r\n";
    for (const char c : request) {
        client.send(std::string(1, c));
    }
    CHECK_THAT(client.read_response(), ContainsSubstring("[abc0123456789]"));
    client.send(request);
    CHECK_THAT(client.read_response(), ContainsSubstring("[abc0123456789]"));
}

TEST_CASE("HttpServer: what is not strict HTTP is refused and the connection closed",
          "[06][http]") {
    std::atomic<int> called = 0;
    RunningServer server([&](HttpExchange& exchange) {
        ++called;
        static_cast<void>(exchange.read_body(1 << 20));
        exchange.respond(200, {}, "");
    });
    const std::string post = "POST / HTTP/1.1\r\nHost: x\r\n";
    const std::vector<std::pair<std::string, int>> corpus = {
        {post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
        {post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
        {post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
        {post + "Content-Length: 3,3\r\n\r\nabc", 400},
        {post + "Content-Length: -1\r\n\r\n", 400},
        {post + "Content-Length: +3\r\n\r\nabc", 400},
        {post + "Content-Length: 0x3\r\n\r\nabc", 400},
        {post + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
        {post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        {post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
        {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\n A: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: x\n\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400},
        {std::string("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 35), 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 505},
        {"GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /% HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"\x16\x03\x01\x02\x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n", 417},
        {"GET /" + std::string(70000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(70000, 'a') + "\r\n\r\n", 431},
        {std::string(70000, 'a'), 414},
    };
    for (const auto& [request, status] : corpus) {
        const std::string response = raw_exchange(server.address(), request);
        INFO(request.substr(0, 200));
        CHECK(status_of(response) == status);
        CHECK_THAT(response, ContainsSubstring("Connection: close"));
    }
    CHECK(called == 0);
}

TEST_CASE("HttpServer: broken chunks are refused with 400", "[06][http]") {
    RunningServer server(echo);
    const std::string post = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const char* body : {"x\r\n", "3\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "-1\r\n\r\n",
                             "ffffffffffffffffffff\r\n"}) {
        INFO(body);
        CHECK(status_of(raw_exchange(server.address(), post + body)) == 400);
    }
}

TEST_CASE("HttpServer: 64 KiB of request line and of headers are taken", "[06][http]") {
    RunningServer server(echo);
    RawClient client(server.address());
    client.send("GET /?q=" + std::string(65000, 'a') +
                " HTTP/1.1\r\nHost: x\r\nA: " + std::string(65000, 'b') + "\r\n\r\n");
    CHECK(status_of(client.read_response()) == 200);
}

TEST_CASE("HttpServer: HEAD gets the head of GET alone", "[06][http]") {
    RunningServer server(echo);
    RawClient client(server.address());
    client.send("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n" + get("/y"));
    const std::string both =
        client.read_until([](const std::string& text) { return text.ends_with("GET /y []"); });
    CHECK_THAT(both, ContainsSubstring("Content-Length: 10\r\n\r\nHTTP/1.1 200") ||
                         ContainsSubstring("Content-Length: 10\r\nHTTP"));
    CHECK_THAT(both, !ContainsSubstring("HEAD /x"));
}

TEST_CASE("HttpServer: a client that expects 100-continue is told to go on", "[06][http]") {
    RunningServer server(echo);
    RawClient client(server.address());
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    CHECK(client.read_until([](const std::string& text) { return text.ends_with("\r\n\r\n"); }) ==
          "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    CHECK_THAT(client.read_response(), ContainsSubstring("[abc]"));
}

TEST_CASE("HttpServer: a refusal before 100-continue spares the client its body", "[06][http]") {
    RunningServer server([](HttpExchange&) { throw HttpError(413, "too much\n"); });
    const std::string response = raw_exchange(
        server.address(),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\nExpect: 100-continue\r\n\r\n");
    CHECK(status_of(response) == 413);
    CHECK_THAT(response, !ContainsSubstring("100 Continue"));
}

TEST_CASE("HttpServer: a body that nobody read does not become the next request", "[06][http]") {
    RunningServer server(
        [](HttpExchange& exchange) { exchange.respond(200, {}, exchange.request().path); });
    RawClient client(server.address());
    client.send(
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 25\r\n\r\nGET /evil HTTP/1.1\r\nHost:x" +
        get("/b"));
    CHECK_THAT(client.read_response(), ContainsSubstring("/a"));
    CHECK_THAT(client.read_response(), ContainsSubstring("/b"));
}

TEST_CASE("HttpServer: an exception of the handler is an answer 500, and the connection goes on",
          "[06][http]") {
    RunningServer server([](HttpExchange& exchange) {
        if (exchange.request().path == "/bad") {
            throw std::runtime_error("it broke");
        }
        if (exchange.request().path != "/none") {
            exchange.respond(200, {}, "fine");
        }
    });
    RawClient client(server.address());
    client.send(get("/bad"));
    CHECK_THAT(client.read_response(),
               ContainsSubstring("500 Internal Server Error") && ContainsSubstring("it broke"));
    client.send(get("/none"));
    CHECK(status_of(client.read_response()) == 500);
    client.send(get("/good"));
    CHECK(status_of(client.read_response()) == 200);
}

TEST_CASE("HttpServer: no header can be smuggled into a response", "[06][http]") {
    RunningServer server([](HttpExchange& exchange) {
        exchange.respond(200, {{.name = "X", .value = exchange.request().path}}, "");
    });
    const std::string response =
        raw_exchange(server.address(), get("/a%0d%0aEvil:%201", "Connection: close\r\n"));
    CHECK(status_of(response) == 500);
    CHECK_THAT(response, !ContainsSubstring("Evil: 1\r\n"));
}

TEST_CASE("HttpServer: begin_stream sends its head before there is any byte of the body",
          "[06][http]") {
    std::mutex mutex;
    std::condition_variable changed;
    bool go_on = false;
    RunningServer server([&](HttpExchange& exchange) {
        HttpStream stream = exchange.begin_stream(200, kText);
        std::unique_lock lock(mutex);
        changed.wait_for(lock, 10s, [&] { return go_on; });
        stream.write("hello");
        stream.write("");
        stream.write("you");
        stream.finish();
    });
    RawClient client(server.address());
    client.send(get("/"));
    const std::string head =
        client.read_until([](const std::string& text) { return text.ends_with("\r\n\r\n"); });
    CHECK_THAT(head, ContainsSubstring("Transfer-Encoding: chunked"));
    {
        const std::lock_guard lock(mutex);
        go_on = true;
        changed.notify_all();
    }
    const std::string body =
        client.read_until([](const std::string& text) { return text.ends_with("0\r\n\r\n"); });
    CHECK(body == "5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n");
}

TEST_CASE("HttpServer: a stream that breaks off is not ended well", "[06][http]") {
    RunningServer server([](HttpExchange& exchange) {
        exchange.begin_stream(200, {}).write("half");
        throw std::runtime_error("broke");
    });
    const std::string response = raw_exchange(server.address(), get("/"));
    CHECK(response.ends_with("4\r\nhalf\r\n"));
}

TEST_CASE("HttpServer: HTTP/1.0 gets a stream without chunks that ends by close", "[06][http]") {
    RunningServer server([](HttpExchange& exchange) {
        HttpStream stream = exchange.begin_stream(200, {});
        stream.write("hello");
        stream.finish();
    });
    const std::string response = raw_exchange(server.address(), "GET / HTTP/1.0\r\n\r\n");
    CHECK(response.ends_with("\r\n\r\nhello"));
    CHECK_THAT(response, !ContainsSubstring("chunked"));
}

TEST_CASE("HttpServer: a streaming handler learns that its client has gone", "[06][http]") {
    std::atomic<bool> learnt = false;
    RunningServer server([&](HttpExchange& exchange) {
        [[maybe_unused]] const HttpStream stream = exchange.begin_stream(200, {});
        learnt = exchange.wait_for(-1, 10s) == Wake::ClientGone && exchange.client_gone();
    });
    RawClient client(server.address());
    client.send(get("/"));
    static_cast<void>(
        client.read_until([](const std::string& text) { return text.ends_with("\r\n\r\n"); }));
    CHECK_FALSE(learnt);
    client.close();
    for (int i = 0; i < 1000 && !learnt; ++i) {
        std::this_thread::sleep_for(10ms);
    }
    CHECK(learnt);
}

TEST_CASE("HttpServer: requests that wait for long starve no other", "[06][http]") {
    std::atomic<int> waiting = 0;
    RunningServer server([&](HttpExchange& exchange) {
        if (exchange.request().path == "/wait") {
            [[maybe_unused]] const HttpStream stream = exchange.begin_stream(200, {});
            ++waiting;
            static_cast<void>(exchange.wait_for(-1, 30s));
        } else {
            exchange.respond(200, {}, "quick");
        }
    });
    std::vector<RawClient> clients;
    for (int i = 0; i < 40; ++i) {
        clients.emplace_back(server.address()).send(get("/wait"));
    }
    for (int i = 0; i < 1000 && waiting < 40; ++i) {
        std::this_thread::sleep_for(10ms);
    }
    CHECK(waiting == 40);
    RawClient quick(server.address());
    quick.send(get("/"));
    CHECK_THAT(quick.read_response(), ContainsSubstring("quick"));
}

TEST_CASE("HttpServer: respond_ranged_file sends what the Range asks for", "[06][http]") {
    const TempDir directory("drydock-test-");
    std::ofstream(directory.path() / "file") << "0123456789";
    RunningServer server([&](HttpExchange& exchange) {
        const UniqueFd file = open_file(directory.path() / "file", O_RDONLY);
        exchange.respond_ranged_file(file.get(), 10, {});
    });
    const auto ask = [&](const std::string& range) {
        return raw_exchange(server.address(), get("/", range + "Connection: close\r\n"));
    };
    CHECK(ask("").ends_with("\r\n\r\n0123456789"));
    CHECK(ask("Range: bytes=2-4\r\n").ends_with("\r\n\r\n234"));
    CHECK_THAT(ask("Range: bytes=2-4\r\n"),
               ContainsSubstring("206 Partial Content") &&
                   ContainsSubstring("Content-Range: bytes 2-4/10\r\n") &&
                   ContainsSubstring("Content-Length: 3\r\n"));
    CHECK(ask("Range: bytes=7-\r\n").ends_with("\r\n\r\n789"));
    CHECK(ask("Range: bytes=7-99\r\n").ends_with("\r\n\r\n789"));
    CHECK(ask("Range: bytes=-2\r\n").ends_with("\r\n\r\n89"));
    CHECK(status_of(ask("Range: bytes=10-\r\n")) == 416);
    CHECK_THAT(ask("Range: bytes=10-\r\n"), ContainsSubstring("Content-Range: bytes */10\r\n"));
    CHECK(status_of(ask("Range: bytes=-0\r\n")) == 416);
    CHECK(status_of(ask("Range: bytes=4-2\r\n")) == 200);
    CHECK(status_of(ask("Range: lines=1-2\r\n")) == 200);
    CHECK(status_of(ask("Range: bytes=1-2,4-5\r\n")) == 200);
    CHECK(status_of(ask("Range: bytes=99999999999999999999999-\r\n")) == 200);
}

TEST_CASE(
    "HttpServer: a hijacked connection is the handler's, with what was sent behind the request",
    "[06][http]") {
    RunningServer server([](HttpExchange& exchange) {
        const Hijacked raw = exchange.hijack(
            101, {{.name = "Connection", .value = "Upgrade"}, {.name = "Upgrade", .value = "tcp"}});
        CHECK((::fcntl(raw.socket.get(), F_GETFL) & O_NONBLOCK) == 0);  // read(2) waits
        std::string text = raw.already_read;
        std::array<char, 64> buffer{};
        ssize_t n = 0;
        while ((n = ::read(raw.socket.get(), buffer.data(), buffer.size())) > 0) {
            text.append(buffer.data(), static_cast<std::size_t>(n));
        }
        write_all(raw.socket.get(), "raw:" + text, "socket");
    });
    RawClient client(server.address());
    client.send(get("/", "Connection: Upgrade\r\nUpgrade: tcp\r\n") + "early ");
    const std::string head =
        client.read_until([](const std::string& text) { return text.ends_with("\r\n\r\n"); });
    CHECK_THAT(head, ContainsSubstring("101 Switching Protocols") &&
                         !ContainsSubstring("Connection: close"));
    client.send("late");
    client.half_close();
    CHECK(client.read_to_end() == "raw:early late");
}
