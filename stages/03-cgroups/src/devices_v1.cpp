#include "devices_v1.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

bool is_for_all_devices(const DeviceRule& rule) {
    return rule.type == 'a' && rule.major < 0 && rule.minor < 0 && rule.access.size() == 3;
}

/// Whether `wide` matches every device that `narrow` does.
bool covers_devices_of(const DeviceRule& wide, const DeviceRule& narrow) {
    return (wide.major < 0 || wide.major == narrow.major) &&
           (wide.minor < 0 || wide.minor == narrow.minor);
}

bool share_devices(const DeviceRule& a, const DeviceRule& b) {
    return a.type == b.type && (a.major < 0 || b.major < 0 || a.major == b.major) &&
           (a.minor < 0 || b.minor < 0 || a.minor == b.minor);
}

bool shares_access(const DeviceRule& a, const DeviceRule& b) {
    return a.access.find_first_of(b.access) != std::string::npos;
}

/// What the kernel keeps for a group: an answer for all, and exceptions that say the opposite.
struct DeviceList {
    bool allow_all = true;
    std::vector<DeviceRule> exceptions{};

    void apply(const DeviceRule& rule) {
        if (is_for_all_devices(rule)) {
            allow_all = rule.allow;
            exceptions.clear();
        } else if (rule.type == 'a') {
            for (const char type : {'b', 'c'}) {
                DeviceRule of_type = rule;
                of_type.type = type;
                apply(of_type);
            }
        } else if (rule.allow == allow_all) {
            take_out(rule);
        } else {
            exceptions.push_back(rule);
        }
    }

    void take_out(const DeviceRule& rule) {
        for (DeviceRule& exception : exceptions) {
            if (!share_devices(exception, rule) || !shares_access(exception, rule)) {
                continue;
            }
            if (!covers_devices_of(rule, exception)) {
                throw InputError(fmt::format(
                    "device rule \"{} {}\": cgroup v1 cannot except it from \"{} {}\" before it; "
                    "expected a rule that covers that one, or cgroup v2",
                    rule.allow ? "allow" : "deny", to_text(rule), allow_all ? "deny" : "allow",
                    to_text(exception)));
            }
            std::erase_if(exception.access,
                          [&](char c) { return rule.access.find(c) != std::string::npos; });
        }
        std::erase_if(exceptions, [](const DeviceRule& e) { return e.access.empty(); });
    }
};

}  // namespace

std::vector<DeviceWrite> device_writes_v1(std::span<const DeviceRule> rules) {
    DeviceList list{.allow_all = false};  // without a rule for all, what no rule allows is denied
    for (const DeviceRule& rule : rules) {
        list.apply(rule);
    }
    std::vector<DeviceWrite> writes = {{.allow = list.allow_all, .text = "a"}};
    for (const DeviceRule& exception : list.exceptions) {
        writes.push_back({.allow = !list.allow_all, .text = to_text(exception)});
    }
    return writes;
}

}  // namespace drydock
