#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace drydock {

/// Runs the bundle with ID `id` through drydock-runtime and hands over what it writes to stdout and
/// stderr as it comes. When `cancelled` (may be empty) says so, it is killed.
/// @return its exit status
int run_with_output(const std::filesystem::path& bundle, const std::string& id,
                    const std::filesystem::path& runtime_root,
                    const std::function<void(std::string_view)>& output,
                    const std::function<bool()>& cancelled);

}  // namespace drydock
