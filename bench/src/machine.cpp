#include "machine.hpp"

#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

namespace drydock::bench {
namespace {

std::string first_value(const char* path, const std::string& name) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        const auto colon = line.find(':');
        if (colon != std::string::npos && line.starts_with(name)) {
            const auto begin = line.find_first_not_of(" \t", colon + 1);
            return begin == std::string::npos ? "" : line.substr(begin);
        }
    }
    return "unknown";
}

std::string first_line(const char* path) {
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);
    return line;
}

std::string cgroup_layout() {
    namespace fs = std::filesystem;
    if (fs::exists("/sys/fs/cgroup/cgroup.controllers")) {
        return "v2";
    }
    return fs::exists("/sys/fs/cgroup/unified/cgroup.controllers") ? "hybrid" : "v1";
}

std::string now() {
    const std::time_t seconds = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    std::string text(32, '\0');
    text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc));
    return text;
}

}  // namespace

nlohmann::json machine_card() {
    utsname names{};
    ::uname(&names);
    return {
        {"taken_at", now()},
        {"kernel", names.release},
        {"machine", names.machine},
        {"processor", first_value("/proc/cpuinfo", "model name")},
        {"processors", ::sysconf(_SC_NPROCESSORS_ONLN)},
        {"memory", first_value("/proc/meminfo", "MemTotal")},
        {"load", first_line("/proc/loadavg")},
        {"cgroups", cgroup_layout()},
        {"user", ::geteuid()},
    };
}

}  // namespace drydock::bench
