#include "07-compose/cli/http_response.hpp"

#include "01-chroot/error.hpp"
#include "07-compose/cli/http_request.hpp"

#include "testing/catch.hpp"

using drydock::InputError;
using drydock::cli::ResponseParser;
using drydock::testing::ContainsSubstring;

namespace {

constexpr const char* kChunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nApi-Version: 1.44\r\n\r\n"
    "5\r\nhello\r\n6;extension=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n";

std::string body_of(ResponseParser& parser, std::string_view bytes, std::size_t piece) {
    std::string body;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
        parser.feed(bytes.substr(0, piece));
        body += parser.take_body();
    }
    return body;
}

}  // namespace

TEST_CASE("ResponseParser: chunks are joined, however the bytes come", "[07][cli][http]") {
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 1000U}) {
        ResponseParser parser;
        CHECK(body_of(parser, kChunked, piece) == "hello world");
        CHECK(parser.complete());
        CHECK(parser.head().status == 200);
        CHECK(parser.head().field("api-version") == "1.44");
        CHECK(parser.head().field("no-such-field").empty());
    }
}

TEST_CASE("ResponseParser: a body has the bytes that Content-Length says", "[07][cli][http]") {
    ResponseParser parser;
    CHECK(body_of(parser, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nbodymore", 5) ==
          "body");
    CHECK(parser.complete());
    CHECK(parser.head().reason == "Not Found");
}

TEST_CASE("ResponseParser: without a length a body ends with the connection", "[07][cli][http]") {
    ResponseParser parser;
    CHECK(body_of(parser, "HTTP/1.1 200 OK\r\n\r\nall of it", 3) == "all of it");
    CHECK_FALSE(parser.complete());
    parser.end();
    CHECK(parser.complete());
}

TEST_CASE("ResponseParser: 204 and 304 have no body", "[07][cli][http]") {
    for (const char* head :
         {"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nA: b\r\n\r\n"}) {
        ResponseParser parser;
        parser.feed(head);
        CHECK(parser.complete());
    }
}

TEST_CASE("ResponseParser: an interim response is passed over", "[07][cli][http]") {
    ResponseParser parser;
    parser.feed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    CHECK(parser.head().status == 201);
    CHECK(parser.complete());
}

TEST_CASE("ResponseParser: what is no HTTP is told with its place", "[07][cli][http]") {
    for (const char* bytes :
         {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"}) {
        ResponseParser parser;
        CHECK_THROWS_WITH(parser.feed(bytes),
                          ContainsSubstring("not HTTP") && ContainsSubstring("at byte"));
    }
}

TEST_CASE("ResponseParser: a connection that ends too early is an error", "[07][cli][http]") {
    for (const char* bytes :
         {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
        ResponseParser parser;
        parser.feed(bytes);
        CHECK_THROWS_AS(parser.end(), InputError);
    }
}

TEST_CASE("ResponseParser: a head without an end is refused, not stored", "[07][cli][http]") {
    ResponseParser parser;
    parser.feed("HTTP/1.1 200 OK\r\n");
    CHECK_THROWS_AS(parser.feed("A: " + std::string(100'000, 'x')), InputError);
}

TEST_CASE("query_string: names and values are percent-encoded", "[07][cli][http]") {
    CHECK(drydock::cli::query_string({}).empty());
    CHECK(drydock::cli::query_string({{"a", "1"}, {"filters", "{\"x\": \"&=\"}"}}) ==
          "?a=1&filters=%7B%22x%22%3A%20%22%26%3D%22%7D");
    CHECK(drydock::cli::percent_encoded("127.0.0.1:5000/a b", "/:") == "127.0.0.1:5000/a%20b");
}
