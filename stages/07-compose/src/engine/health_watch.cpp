#include "engine/health_watch.hpp"

#include <sys/eventfd.h>

#include <utility>

#include "01-chroot/check.hpp"

namespace drydock {

bool has_health_check(const ContainerConfig& config) {
    return config.healthcheck && config.healthcheck->test.size() > 1;
}

std::vector<std::string> health_command(const oci::Healthcheck& check) {
    std::vector<std::string> command(check.test.begin() + 1, check.test.end());
    if (check.test.front() == "CMD-SHELL") {
        command.insert(command.begin(), {"/bin/sh", "-c"});
    }
    return command;
}

oci::Healthcheck with_health_defaults(oci::Healthcheck check) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    const auto fill = [](std::int64_t& value, std::int64_t fallback) {
        value = value > 0 ? value : fallback;
    };
    fill(check.interval, 30 * kSecond);
    fill(check.timeout, 30 * kSecond);
    fill(check.start_interval, 5 * kSecond);
    check.retries = check.retries > 0 ? check.retries : 3;
    return check;
}

Health after_probe(Health health, HealthProbe probe, const oci::Healthcheck& check,
                   bool in_start_period) {
    constexpr std::size_t kKept = 5;
    if (probe.exit_code == 0) {
        health.failing_streak = 0;
        health.status = "healthy";
    } else if (!in_start_period || health.status != "starting") {
        ++health.failing_streak;
        if (health.failing_streak >= static_cast<unsigned>(check.retries)) {
            health.status = "unhealthy";
        }
    }
    health.log.push_back(std::move(probe));
    if (health.log.size() > kKept) {
        health.log.erase(health.log.begin());
    }
    return health;
}

HealthWatch::HealthWatch(std::function<void(int)> watch)
    : stop_(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd(0, EFD_CLOEXEC)")),
      thread_([watch = std::move(watch), fd = stop_.get()] { watch(fd); }) {}

HealthWatch::~HealthWatch() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
}

}  // namespace drydock
