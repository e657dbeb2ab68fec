#pragma once

#include <CLI/App.hpp>

#include "02-namespaces/run.hpp"

namespace drydock::stage02 {

/// Every flag that `run` has from this stage on, ROOTFS and COMMAND with them.
void add_flags(CLI::App& run, Options& options);

}  // namespace drydock::stage02
