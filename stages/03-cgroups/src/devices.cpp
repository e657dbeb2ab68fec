#include "03-cgroups/devices.hpp"

#include <fmt/format.h>

namespace drydock {

std::vector<DeviceRule> default_device_rules() {
    const auto usable = [](std::int64_t major, std::int64_t minor) {
        return DeviceRule{.allow = true, .type = 'c', .major = major, .minor = minor};
    };
    return {{.allow = false},
            {.allow = true, .type = 'c', .access = "m"},
            {.allow = true, .type = 'b', .access = "m"},
            usable(1, 3),
            usable(1, 5),
            usable(1, 7),
            usable(1, 8),
            usable(1, 9),
            usable(5, 0),
            usable(5, 1),
            usable(5, 2),
            usable(136, -1)};
}

std::string to_text(const DeviceRule& rule) {
    if (rule.type == 'a' && rule.major < 0 && rule.minor < 0 && rule.access.size() == 3) {
        return "a";
    }
    const auto number = [](std::int64_t n) { return n < 0 ? std::string("*") : std::to_string(n); };
    return fmt::format("{} {}:{} {}", rule.type, number(rule.major), number(rule.minor),
                       rule.access);
}

}  // namespace drydock
