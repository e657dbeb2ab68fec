#pragma once

#include <string>
#include <vector>

#include "05-images/image_config.hpp"

namespace drydock {

/// Applies instructions of a Dockerfile that change settings only, a text each, in order: CMD, ENV,
/// ENTRYPOINT, EXPOSE, LABEL, USER, VOLUME, WORKDIR, STOPSIGNAL, SHELL.
/// @throws InputError for another instruction, or one that is wrong
void apply_changes(oci::ExecutionConfig& config, const std::vector<std::string>& changes);

}  // namespace drydock
