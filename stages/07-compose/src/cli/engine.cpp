#include "07-compose/cli/engine.hpp"

#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "07-compose/cli/log_stream.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

constexpr const char* kVersionPrefix = "/v1.44";
constexpr int kFirstError = 400;

[[noreturn]] void throw_refusal(Exchange& exchange) {
    const int status = exchange.head().status;
    const std::string body = exchange.read_all();
    const json answer = json::parse(body, nullptr, false);
    const std::string message = answer.is_object() ? answer.value("message", "") : body;
    throw EngineError(status, message.empty()
                                  ? fmt::format("the daemon answered {} {} without a reason",
                                                status, exchange.head().reason)
                                  : message);
}

void expect_success(Exchange& exchange) {
    if (exchange.head().status >= kFirstError) {
        throw_refusal(exchange);
    }
}

std::string target_of(const std::string& path, const Query& query) {
    return kVersionPrefix + path + query_string(query);
}

/// What makes an exchange, and says what to do when nobody listens.
template <class Make>
Exchange reach(const Host& host, Make make) {
    try {
        return make();
    } catch (const std::system_error& e) {
        throw InputError(fmt::format(
            "no daemon answers at {}: {}; start one with 'drydock daemon --host {}', or "
            "set DRYDOCK_HOST",
            host.name, e.code().message(), host.name));
    }
}

Exchange sent(const Host& host, const Request& request) {
    return reach(host, [&] { return Exchange(host, request); });
}

json answer_to(const Host& host, const Request& request) {
    Exchange exchange = sent(host, request);
    expect_success(exchange);
    return parse_answer(exchange.read_all());
}

}  // namespace

int exit_status_of(const EngineError& error) noexcept {
    constexpr int kNotImplemented = 501;
    return error.status() == kNotImplemented ? kSetupFailed : 1;
}

json Engine::get(const std::string& path, const Query& query,
                 const std::string& registry_auth) const {
    return answer_to(host_, {.target = target_of(path, query), .registry_auth = registry_auth});
}

json Engine::post(const std::string& path, const Query& query, const std::string& body) const {
    return answer_to(host_, {.method = "POST", .target = target_of(path, query), .body = body});
}

json Engine::remove(const std::string& path, const Query& query) const {
    return answer_to(host_, {.method = "DELETE", .target = target_of(path, query)});
}

Exchange Engine::stream(const std::string& method, const std::string& path, const Query& query,
                        const std::string& body, const std::string& registry_auth) const {
    Exchange exchange = sent(host_, {.method = method,
                                     .target = target_of(path, query),
                                     .body = body,
                                     .registry_auth = registry_auth});
    expect_success(exchange);
    return exchange;
}

Exchange Engine::upload(const std::string& path, const Query& query,
                        const std::function<void(Exchange&)>& write_body,
                        const std::string& method) const {
    return upload_request(
        {.method = method, .target = target_of(path, query), .content_type = "application/x-tar"},
        write_body);
}

Exchange Engine::upload_build(const std::string& path, const Query& query,
                              const std::function<void(Exchange&)>& write_body,
                              const std::string& registry_config) const {
    return upload_request({.method = "POST",
                           .target = target_of(path, query),
                           .content_type = "application/x-tar",
                           .registry_config = registry_config},
                          write_body);
}

Exchange Engine::upload_request(const Request& request,
                                const std::function<void(Exchange&)>& write_body) const {
    Exchange exchange = reach(host_, [&] { return Exchange::upload(host_, request); });
    write_body(exchange);
    exchange.end_body();
    expect_success(exchange);
    return exchange;
}

bool Engine::answers() const {
    try {
        Exchange exchange(host_, {.target = "/_ping"});
        return exchange.head().status < kFirstError;
    } catch (const std::system_error&) {
        return false;  // nobody listens
    } catch (const InputError&) {
        return false;  // it is being stopped, or it is no engine
    }
}

std::string path_of(std::initializer_list<std::string_view> parts) {
    std::string path;
    for (const std::string_view part : parts) {
        path += '/';
        path += percent_encoded(
            part, "/:@");  // names of images keep theirs: the API matches from both ends
    }
    return path;
}

json parse_answer(const std::string& text) {
    if (text.empty()) {
        return {};
    }
    try {
        return json::parse(text);
    } catch (const json::exception& e) {
        throw InputError(fmt::format("the daemon's answer is no JSON: {}", e.what()));
    }
}

void for_each_object(Exchange& exchange, const std::function<void(const json&)>& use) {
    LineSplitter lines([&](std::string_view line) {
        if (line.find_first_not_of(" \r\n") != std::string_view::npos) {
            use(parse_answer(std::string(line)));
        }
    });
    while (const auto bytes = exchange.read_some()) {
        lines.feed(*bytes);
    }
    lines.flush();
}

}  // namespace drydock::cli
