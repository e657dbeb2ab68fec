// The answers that last: wait and logs.
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
    const Container container = call.engine.find(call.name());
    const std::string& id = container.id;
    LogRequest request = log_request(call);
    request.framed = !container.config.tty;
    LogStream log(call.engine, id, request);
    HttpStream stream = call.http.begin_stream(
        200, {{"Content-Type",
               request.framed ? framed_type(call.version) : "application/vnd.docker.raw-stream"}});
    log.run([&](std::string_view bytes) { stream.write(bytes); },
            [&](int fd) { return call.http.wait_for(fd, 1s) != Wake::ClientGone; });
    stream.finish();
}

constexpr std::array kStreamRoutes = std::to_array<Route>({
    {"POST", "/containers/{}/wait", wait},
    {"GET", "/containers/{}/logs", logs},
});

}  // namespace

std::span<const Route> stream_routes() {
    return kStreamRoutes;
}

}  // namespace drydock::api
