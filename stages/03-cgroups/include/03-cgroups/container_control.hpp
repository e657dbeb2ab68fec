#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "03-cgroups/cgroup_statistics.hpp"
#include "03-cgroups/devices.hpp"
#include "03-cgroups/limits.hpp"

namespace drydock {

// What can be done to a container that runs, through its cgroup.

/// No process of it runs until resume_container(). @throws InputError unless it is created or runs
void pause_container(const std::filesystem::path& root, const std::string& id);
/// @throws InputError unless it is paused
void resume_container(const std::filesystem::path& root, const std::string& id);

/// The pids of its processes, as seen here.
std::vector<pid_t> processes_of_container(const std::filesystem::path& root, const std::string& id);

/// Sets those of the limits that are given, and replaces the device rules if there are any.
/// @throws InputError, as Cgroup::set() does
void update_container(const std::filesystem::path& root, const std::string& id,
                      const Limits& limits, std::span<const DeviceRule> rules);

/// What it has used so far. @throws InputError unless it is created or runs
CgroupStatistics usage_of_container(const std::filesystem::path& root, const std::string& id);
/// What it has used so far, as runc's `events --stats` writes it: one line of JSON.
std::string statistics_of_container(const std::filesystem::path& root, const std::string& id);
/// Gives `print` one line of JSON every `interval`, and one whenever the kernel kills for want of
/// memory, until the container ends.
void follow_events(const std::filesystem::path& root, const std::string& id,
                   std::chrono::milliseconds interval,
                   const std::function<void(const std::string&)>& print);

}  // namespace drydock
