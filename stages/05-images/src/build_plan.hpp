#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "05-images/dockerfile.hpp"

namespace drydock {

using BuildArgs = std::map<std::string, std::optional<std::string>>;

/// What of a Dockerfile a build has to do, known before anything runs.
struct BuildPlan {
    std::map<std::string, std::string>
        global_args{};           ///< of ARG before FROM, and TARGETPLATFORM and its like
    std::size_t target = 0;      ///< the stage that is the image
    std::vector<bool> needed{};  ///< by stage: the target, and what it copies from or stands on
    std::vector<std::string> bases{};  ///< by stage: what FROM names, variables replaced
    int steps = 0;
};

/// @param target name or number of the stage to stop at; empty: the last
/// @param args of --build-arg
/// @throws InputError naming file and line
BuildPlan plan_build(const Dockerfile& file, const std::string& target, const BuildArgs& args);

/// Marks the stage as needed, and what it stands on or copies from.
void need_stage(BuildPlan& plan, const Dockerfile& file, std::size_t number);

/// The stage before `before` that has this name, or (COPY --from, --target) this number.
std::optional<std::size_t> stage_named(const Dockerfile& file, const std::string& name,
                                       std::size_t before);
std::optional<std::size_t> stage_named_or_numbered(const Dockerfile& file, const std::string& name,
                                                   std::size_t before);

}  // namespace drydock
