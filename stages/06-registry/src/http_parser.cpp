#include "http_parser.hpp"

// Boost 1.74 forgets to include it in front of its coroutines.
#include <algorithm>
#include <limits>
#include <utility>

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

namespace beast_http = boost::beast::http;

namespace drydock {
namespace {

[[noreturn]] void refuse(int status, std::string_view why) {
    throw HttpError(status, fmt::format("{}\n", why));
}

/// Beast folds continued lines, and takes a lone CR or LF at some places: two readers of one
/// request must never see two requests (request smuggling).
void check_lines(std::string_view head) {
    for (std::size_t i = 0; i < head.size(); ++i) {
        if (head[i] == '\0') {
            refuse(400, "a NUL in the head of the request");
        }
        if (head[i] == '\n' && (i == 0 || head[i - 1] != '\r')) {
            refuse(400, "a line of the request ends in LF alone; expected CR LF");
        }
        if (head[i] == '\r' && (i + 1 == head.size() || head[i + 1] != '\n')) {
            refuse(400, "a CR without LF in the head of the request");
        }
        if (head[i] == '\n' && i + 1 < head.size() && (head[i + 1] == ' ' || head[i + 1] == '\t')) {
            refuse(400, "a header is continued on the next line, which HTTP/1.1 forbids");
        }
    }
}

std::size_t count(const HttpHeaders& headers, std::string_view name) {
    return static_cast<std::size_t>(std::ranges::count_if(
        headers, [&](const HttpHeader& header) { return same_letters(header.name, name); }));
}

/// What decides where the body ends must be said once, in one way.
void check_framing(HttpRequest& request) {
    const std::size_t lengths = count(request.headers, "Content-Length");
    const std::size_t codings = count(request.headers, "Transfer-Encoding");
    if (lengths > 1 || codings > 1 || (lengths == 1 && codings == 1)) {
        refuse(
            400,
            "the length of the body is given more than once (Content-Length, Transfer-Encoding)");
    }
    // Beast takes "3, 3" for 3.
    if (lengths == 1 && !std::ranges::all_of(request.header("Content-Length"),
                                             [](char c) { return c >= '0' && c <= '9'; })) {
        refuse(400, "Content-Length: expected a number");
    }
    if (codings == 1) {
        if (request.minor_version == 0 ||
            !same_letters(request.header("Transfer-Encoding"), "chunked")) {
            refuse(501, "Transfer-Encoding: expected \"chunked\", in HTTP/1.1");
        }
        request.chunked = true;
    }
    const std::size_t hosts = count(request.headers, "Host");
    if (hosts > 1 || (hosts == 0 && request.minor_version == 1)) {
        refuse(400, "expected one Host header");
    }
    const std::string_view expect = request.header("Expect");
    if (!expect.empty() && !same_letters(expect, "100-continue")) {
        refuse(417, "Expect: only \"100-continue\" is known");
    }
}

void parse_query(HttpRequest& request, std::string_view query) {
    while (!query.empty()) {
        const std::string_view pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(pair.size() + 1, query.size()));
        if (pair.empty()) {
            continue;
        }
        const std::size_t equals = std::min(pair.find('='), pair.size());
        std::string value(pair.substr(std::min(equals + 1, pair.size())));
        std::ranges::replace(value, '+', ' ');  // as forms are encoded, which clients do in queries
        request.query.emplace(unescape_url(pair.substr(0, equals)), unescape_url(value));
    }
}

/// Fills path and query from the target: "/path?query", or with "http://host" in front, as proxies
/// send it.
void parse_target(HttpRequest& request) {
    std::string_view target = request.target;
    if (target.starts_with("http://")) {
        const std::size_t slash = target.find('/', 7);
        target = slash == std::string_view::npos ? "/" : target.substr(slash);
    }
    if (!target.starts_with('/')) {
        refuse(400, "the target of the request does not start with \"/\"");
    }
    target = target.substr(0, target.find('#'));
    const std::size_t mark = std::min(target.find('?'), target.size());
    request.path = unescape_url(target.substr(0, mark));
    parse_query(request, target.substr(std::min(mark + 1, target.size())));
}

}  // namespace

struct HttpParser::State {
    beast_http::request_parser<beast_http::buffer_body> parser{};
};

HttpParser::HttpParser() : state_(std::make_unique<State>()) {
    state_->parser.header_limit(static_cast<std::uint32_t>(kMaxRequestLine + kMaxHeaders));
    state_->parser.body_limit(
        std::numeric_limits<std::uint64_t>::max());  // whoever reads a body has a limit of its own
}
HttpParser::~HttpParser() = default;
HttpParser::HttpParser(HttpParser&&) noexcept = default;
HttpParser& HttpParser::operator=(HttpParser&&) noexcept = default;

std::size_t end_of_head(std::string_view input) {
    const std::size_t line = input.find("\r\n");
    if (std::min(line, input.size()) > kMaxRequestLine) {
        refuse(414, fmt::format("the request line is longer than {} bytes", kMaxRequestLine));
    }
    const std::size_t end = input.find("\r\n\r\n");
    const std::size_t headers = std::min(end, input.size()) - std::min(line, input.size());
    if (headers > kMaxHeaders) {
        refuse(431, fmt::format("the headers are longer than {} bytes", kMaxHeaders));
    }
    if (end == std::string_view::npos && input.find("\n\n") != std::string_view::npos) {
        refuse(400, "a line of the request ends in LF alone; expected CR LF");
    }
    return end == std::string_view::npos ? 0 : end + 4;
}

std::string_view reason_phrase(int status) {
    const auto known = beast_http::int_to_status(static_cast<unsigned>(status));
    if (known == beast_http::status::unknown) {
        return "Unknown";
    }
    const auto phrase = beast_http::obsolete_reason(known);
    return {phrase.data(), phrase.size()};
}

// [region: strict-http]
HttpRequest HttpParser::parse_head(std::string_view head) {
    check_lines(head);
    boost::system::error_code error;
    state_->parser.put(boost::asio::buffer(head.data(), head.size()), error);
    if (error == beast_http::error::bad_version) {
        refuse(505, "expected HTTP/1.0 or HTTP/1.1");
    }
    if (error || !state_->parser.is_header_done()) {
        refuse(400, fmt::format("not an HTTP request: {}", error ? error.message() : "incomplete"));
    }
    const auto& message = state_->parser.get();
    HttpRequest request;
    request.method = std::string(message.method_string().data(), message.method_string().size());
    request.target = std::string(message.target().data(), message.target().size());
    request.minor_version = static_cast<int>(message.version() % 10);
    for (const auto& field : message) {
        request.headers.push_back(
            {.name = std::string(field.name_string().data(), field.name_string().size()),
             .value = std::string(field.value().data(), field.value().size())});
    }
    check_framing(request);
    if (const auto length = state_->parser.content_length()) {
        request.content_length = *length;
    }
    parse_target(request);
    return request;
}
// [/region]

HttpParser::Decoded HttpParser::decode_chunks(std::string_view input, std::span<std::byte> into) {
    auto& parser = state_->parser;
    Decoded result;
    auto& body = parser.get().body();
    while (!parser.is_done() && result.produced < into.size()) {
        body.data = into.data() + result.produced;
        body.size = into.size() - result.produced;
        body.more = true;
        boost::system::error_code error;
        const std::string_view rest = input.substr(result.consumed);
        const std::size_t consumed =
            parser.put(boost::asio::buffer(rest.data(), rest.size()), error);
        result.consumed += consumed;
        result.produced = into.size() - body.size;
        if (error == beast_http::error::need_more || (!error && consumed == 0)) {
            break;
        }
        if (error && error != beast_http::error::need_buffer) {
            refuse(400, fmt::format("the body is not chunked as announced: {}", error.message()));
        }
    }
    result.done = parser.is_done();
    return result;
}

}  // namespace drydock
