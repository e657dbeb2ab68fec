// What happens, as it happens.
#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/api/routes.hpp"

#include "api/event_json.hpp"

namespace drydock::api {
namespace {

using namespace std::chrono_literals;

std::optional<Time> moment(const Call& call, const char* key) {
    const std::string text = call.parameter(key);
    return text.empty() ? std::nullopt : std::optional(parse_query_time(text));
}

/// How long to wait for the next event at most.
std::chrono::milliseconds patience(const std::optional<Time>& until) {
    constexpr std::chrono::milliseconds kLongest = 60s;
    if (!until) {
        return kLongest;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - now());
    return std::clamp(left, 0ms, kLongest);
}

void send_events(Call& call) {
    const Filters filters = parse_event_filters(call.parameter("filters"));
    const auto since = moment(call, "since");
    const auto until = moment(call, "until");
    if (since && until && *since > *until) {
        throw InputError(fmt::format("`since` time ({}) cannot be after `until` time ({})",
                                     call.parameter("since"), call.parameter("until")));
    }
    // With an end and no beginning: all that is remembered.
    const auto queue = call.engine.events().subscribe(until ? since.value_or(Time{}) : since);
    HttpStream stream = call.http.begin_stream(200, {{"Content-Type", "application/json"}});
    while (!queue->overflowed()) {
        const bool last = until && *until <= now();
        for (const Event& event : queue->take()) {
            if ((!until || event.time <= *until) && passes(event, filters)) {
                stream.write(event_json(event).dump(-1, ' ', false,
                                                    nlohmann::json::error_handler_t::replace) +
                             "\n");
            }
        }
        if (last || call.http.wait_for(queue->fd(), patience(until)) == Wake::ClientGone) {
            break;
        }
    }
    stream.finish();
}

constexpr std::array kEventRoutes = std::to_array<Route>({
    {"GET", "/events", send_events},
});

}  // namespace

std::span<const Route> event_routes() {
    return kEventRoutes;
}

}  // namespace drydock::api
