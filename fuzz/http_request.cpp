// The head of an HTTP request: one meaning, or none.
#include <algorithm>
#include <string>
#include <string_view>

#include "http_parser.hpp"
#include "oracle.hpp"

namespace {

using drydock::HttpRequest;

bool is_clean(std::string_view text) {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

std::string written(const HttpRequest& request) {
    std::string head = request.method + " " + request.target + " HTTP/1." +
                       std::to_string(request.minor_version) + "\r\n";
    for (const drydock::HttpHeader& header : request.headers) {
        head += header.name + ": " + header.value + "\r\n";
    }
    return head + "\r\n";
}

void expect_one_meaning(const HttpRequest& request) {
    HOLDS(is_clean(request.method) && !request.method.empty());
    HOLDS(is_clean(request.target) && request.target.find(' ') == std::string::npos);
    HOLDS(request.path.empty() || request.path.front() == '/' || request.path == "*");
    HOLDS(request.path.find('\0') == std::string::npos);
    HOLDS(!(request.chunked && request.content_length));
    int lengths = 0;
    for (const drydock::HttpHeader& header : request.headers) {
        HOLDS(!header.name.empty() && is_clean(header.name) && is_clean(header.value));
        HOLDS(header.name.find_first_of(" \t:") == std::string::npos);
        lengths += drydock::same_letters(header.name, "Content-Length") ? 1 : 0;
        lengths += drydock::same_letters(header.name, "Transfer-Encoding") ? 1 : 0;
    }
    HOLDS(lengths <= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    try {
        const std::size_t end = drydock::end_of_head(input);
        if (end == 0) {
            return 0;
        }
        HOLDS(end <= size);
        const HttpRequest request = drydock::HttpParser().parse_head(input.substr(0, end));
        expect_one_meaning(request);
        const HttpRequest again = drydock::HttpParser().parse_head(written(request));
        HOLDS(again.method == request.method && again.target == request.target);
        HOLDS(again.path == request.path && again.query == request.query);
        HOLDS(again.chunked == request.chunked && again.content_length == request.content_length);
        HOLDS(again.headers.size() == request.headers.size());
        for (std::size_t i = 0; i < again.headers.size(); ++i) {
            HOLDS(again.headers[i].name == request.headers[i].name);
            HOLDS(again.headers[i].value == request.headers[i].value);
        }
    } catch (const drydock::HttpError& refused) {
        HOLDS(refused.status() >= 400 && refused.status() < 600);
    }
    return 0;
}
