#pragma once

#include "03-cgroups/container_create.hpp"
#include "03-cgroups/run.hpp"

namespace drydock {

struct RunRequest : CreateRequest {
    bool detach = false;  ///< create and start, no more
    bool keep = false;    ///< the state and the cgroup stay when the command has ended
};

/// Runs the bundle's command in the foreground and waits for it, with our terminal as its own where
/// config.json wants one. Warnings about config.json go to stderr.
/// @return of a detached one only that it runs
stage03::Ended run_container(const RunRequest& request);

}  // namespace drydock
