// The answers that last: wait, logs, and attach.
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/api/routes.hpp"
#include "07-compose/engine/container_log.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "api/log_stream.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

// [region: wait]
void wait(Call& call) {
    const auto waiter =
        call.engine.wait(call.name(), parse_wait_condition(call.parameter("condition")));
    // The head goes out before the answer is known: the docker CLI starts the container once it has
    // it.
    HttpStream stream = call.http.begin_stream(200, {{"Content-Type", "application/json"}});
    if (call.http.wait_for(waiter->event.get(), -1ms) != Wake::Ready) {
        throw ClientGone("nobody waits any more");
    }
    stream.write(json({{"StatusCode", waiter->exit_code}, {"Error", nullptr}}).dump() + "\n");
    stream.finish();
}
// [/region]

LogRequest log_request(Call& call) {
    LogRequest request{.out = call.flag("stdout"),
                       .err = call.flag("stderr"),
                       .follow = call.flag("follow"),
                       .timestamps = call.flag("timestamps")};
    if (!request.out && !request.err) {
        throw InputError("Bad parameters: you must choose at least one stream");
    }
    const std::string tail = call.parameter("tail");
    if (const auto lines = tail == "all" ? std::nullopt : call.number("tail");
        lines && *lines >= 0) {
        request.tail = static_cast<std::uint64_t>(*lines);
    }
    const auto moment = [&](const char* key) {
        const std::string text = call.parameter(key);
        return text.empty() || text == "0" ? std::nullopt : std::optional(parse_query_time(text));
    };
    request.since = moment("since");
    request.until = moment("until");
    return request;
}

const char* framed_type(int version) {
    return version >= 42 ? "application/vnd.docker.multiplexed-stream"
                         : "application/vnd.docker.raw-stream";
}

void logs(Call& call) {
    const std::string id = call.engine.find(call.name()).id;
    const LogRequest request = log_request(call);
    LogStream log(call.engine, id, request);
    HttpStream stream = call.http.begin_stream(200, {{"Content-Type", framed_type(call.version)}});
    log.run([&](std::string_view bytes) { stream.write(bytes); },
            [&](int fd) { return call.http.wait_for(fd, 1s) != Wake::ClientGone; });
    stream.finish();
}

/// Output of a container that runs, or is about to: what it writes from now on comes out of its
/// log.
void attach(Call& call) {
    const std::string id = call.engine.find(call.name()).id;
    if (!call.flag("stream") && !call.flag("logs")) {
        throw InputError("Bad parameters: at least one of stream and logs must be chosen");
    }
    LogRequest request{
        .out = call.flag("stdout"), .err = call.flag("stderr"), .follow = call.flag("stream")};
    if (!call.flag("logs")) {
        request.tail = 0;
    }
    LogStream log(call.engine, id, request);
    const bool upgrade = same_letters(call.http.request().header("Upgrade"), "tcp");
    HttpHeaders headers = {{"Content-Type", upgrade ? framed_type(call.version)
                                                    : "application/vnd.docker.raw-stream"}};
    if (upgrade) {
        headers.push_back({"Connection", "Upgrade"});
        headers.push_back({"Upgrade", "tcp"});
    }
    const Hijacked connection = call.http.hijack(upgrade ? 101 : 200, headers);
    const int socket = connection.socket.get();
    try {
        log.run([&](std::string_view bytes) { write_all(socket, bytes, "attached client"); },
                [&](int fd) {
                    // A client without standard input closes its half at once: only POLLHUP says
                    // that it is gone.
                    std::array<pollfd, 2> events{{{fd, POLLIN, 0}, {socket, 0, 0}}};
                    check(::poll(events.data(), events.size(), 1000), "poll(log, attached client)");
                    return (events[1].revents & (POLLHUP | POLLERR)) == 0 &&
                           !call.engine.waiting_ended();
                });
    } catch (const std::system_error&) {
        return;  // the client went away
    }
}

constexpr std::array kStreamRoutes = std::to_array<Route>({
    {"POST", "/containers/{}/wait", wait},
    {"GET", "/containers/{}/logs", logs},
    {"POST", "/containers/{}/attach", attach},
});

}  // namespace

std::span<const Route> stream_routes() {
    return kStreamRoutes;
}

}  // namespace drydock::api
