#include "engine/restart_policy.hpp"

#include <algorithm>

namespace drydock {

using namespace std::chrono_literals;

bool is_restarted(const RestartPolicy& policy, const ContainerStatus& ended) {
    if (ended.stop_asked) {
        return false;
    }
    if (policy.name == "on-failure") {
        return ended.exit_code != 0 &&
               (policy.max_retries == 0 || ended.restart_count < policy.max_retries);
    }
    return policy.name == "always" || policy.name == "unless-stopped";
}

bool is_restarted_by_new_daemon(const RestartPolicy& policy, const ContainerStatus& ended) {
    return ended.started_at && (policy.name == "always" || is_restarted(policy, ended));
}

std::chrono::milliseconds next_back_off(std::chrono::milliseconds last,
                                        const ContainerStatus& ended) {
    constexpr std::chrono::milliseconds kFirst = 100ms;
    constexpr std::chrono::milliseconds kLongest = 60s;
    constexpr std::chrono::seconds kGoodRun = 10s;
    const bool ran_well =
        ended.started_at && ended.finished_at && *ended.finished_at - *ended.started_at >= kGoodRun;
    return last == 0ms || ran_well ? kFirst : std::min(2 * last, kLongest);
}

}  // namespace drydock
