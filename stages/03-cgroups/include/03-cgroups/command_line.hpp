#pragma once

#include <CLI/App.hpp>

#include "02-namespaces/run.hpp"
#include "03-cgroups/limits.hpp"
#include "03-cgroups/run.hpp"

namespace drydock {

/// --memory, --memory-swap, --cpus, --cpu-shares, --pids-limit: docker's names. 0 and -1 ask for no
/// limit where docker has it so.
void add_limit_flags(CLI::App& app, Limits& limits);

/// What stage 02's flags ask for, as a start of this stage.
stage03::Options options_from(const stage02::Options& flags, const Limits& limits);

}  // namespace drydock
