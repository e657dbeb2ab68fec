#pragma once

#include <functional>
#include <thread>

#include "01-chroot/unique_fd.hpp"
#include "07-compose/engine/container.hpp"

namespace drydock {

/// Whether there is something to run: neither no check nor {"NONE"}.
bool has_health_check(const ContainerConfig& config);
/// What is run: {"CMD-SHELL", "x"} is /bin/sh -c x.
std::vector<std::string> health_command(const oci::Healthcheck& check);
/// `check` with docker's defaults where it says nothing: 30 s, 30 s, 5 s, 3 times.
oci::Healthcheck with_health_defaults(oci::Healthcheck check);

/// What is known after one more run of the check.
/// @param in_start_period a failure does not count yet
Health after_probe(Health health, HealthProbe probe, const oci::Healthcheck& check,
                   bool in_start_period);

/// Owns the thread that runs a container's health check.
class HealthWatch {
  public:
    /// @param watch runs on the thread, and returns when the descriptor given to it is readable
    explicit HealthWatch(std::function<void(int)> watch);
    /// Ends it.
    ~HealthWatch();
    HealthWatch(const HealthWatch&) = delete;
    HealthWatch& operator=(const HealthWatch&) = delete;
    HealthWatch(HealthWatch&&) = delete;
    HealthWatch& operator=(HealthWatch&&) = delete;

  private:
    UniqueFd stop_;  ///< an eventfd
    std::thread thread_{};
};

}  // namespace drydock
