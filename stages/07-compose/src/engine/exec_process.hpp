#pragma once

#include <filesystem>
#include <string>

#include "07-compose/engine/container.hpp"
#include "07-compose/engine/exec_record.hpp"

namespace drydock {

/// `process` of the runtime-spec: the container's own with what the exec says instead.
std::string process_for(const ExecSpec& spec, const Container& container,
                        const std::filesystem::path& bundle);

}  // namespace drydock
