#pragma once

#include "03-cgroups/bundle.hpp"
#include "03-cgroups/container_create.hpp"
#include "03-cgroups/record.hpp"

namespace drydock {

// What create and run have in common before the first step.

struct PreparedContainer {
    Bundle bundle{};
};

/// Reads the bundle and adds what `request` says. Warnings go to warn().
PreparedContainer prepare_container(const CreateRequest& request);

/// What of the limits has no effect here: to the log, or our standard error.
void warn_about(const Cgroup& cgroup);

Record make_record(const CreateRequest& request, const PreparedContainer& container);

/// For stage03::Options::hook_state.
std::function<std::string(std::string_view, pid_t)> hook_state_of(const ContainerState& state);

/// A connection to who wants the terminal's other end; empty when there is no terminal.
/// @throws InputError when there is one and not the other
UniqueFd console_of(bool terminal, const std::filesystem::path& console_socket);

}  // namespace drydock
