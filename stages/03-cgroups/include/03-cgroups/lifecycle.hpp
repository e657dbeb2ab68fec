#pragma once

// What drydock-runtime does to a container whose state is below a directory `root`: one header for
// each operation. @see OCI runtime-spec, runtime.md, "Operations" and "Lifecycle"
#include "03-cgroups/container_control.hpp"
#include "03-cgroups/container_create.hpp"
#include "03-cgroups/container_delete.hpp"
#include "03-cgroups/container_exec.hpp"
#include "03-cgroups/container_kill.hpp"
#include "03-cgroups/container_run.hpp"
#include "03-cgroups/container_start.hpp"
#include "03-cgroups/record.hpp"
