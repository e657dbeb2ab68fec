#pragma once

#include <fstream>
#include <iterator>
#include <string>

namespace drydock::testing {

/// Whether there is such a process, and it is no zombie that waits for some init of the host.
inline bool runs(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    const std::string stat{std::istreambuf_iterator<char>(file), {}};
    const auto name_end = stat.rfind(')');
    return name_end != std::string::npos && stat.substr(name_end + 2, 1) != "Z";
}

}  // namespace drydock::testing
