// A seccomp profile of docker's kind as "linux.seccomp" of a config.json.
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "05-images/strict_json.hpp"
#include "07-compose/engine/isolation.hpp"

namespace drydock {
namespace {

using nlohmann::json;

constexpr const char* kProfile = "seccomp profile";
constexpr const char* kNative = "amd64";  ///< as "includes.arches" names it
constexpr const char* kNativeFilter = "SCMP_ARCH_X86_64";

[[noreturn]] void refuse_profile(const std::string& place, const char* expected) {
    throw InputError(fmt::format("{}: at {}: expected {}", kProfile, place, expected));
}

/// The kernel's "6.1" as a pair that can be compared.
std::pair<int, int> version_numbers(const std::string& text, const std::string& place) {
    std::pair<int, int> version;
    // NOLINTNEXTLINE(cert-err34-c): both numbers are checked by the count of them
    if (std::sscanf(text.c_str(), "%d.%d", &version.first, &version.second) != 2) {
        refuse_profile(place, "a version such as 4.8");
    }
    return version;
}

bool kernel_is_at_least(const std::string& wanted, const std::string& place) {
    utsname machine{};
    check(::uname(&machine), "uname()");
    return version_numbers(machine.release, "the kernel's release") >=
           version_numbers(wanted, place);
}

std::vector<std::string> texts_at(const json& object, const char* key, const std::string& place) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) {
        return {};
    }
    try {
        return found->get<std::vector<std::string>>();
    } catch (const json::exception&) {
        refuse_profile(place + "/" + key, "an array of strings");
    }
}

bool contains_text(const std::vector<std::string>& list, const std::string& text) {
    return std::ranges::find(list, text) != list.end();
}

/// Whether a rule with these conditions holds for this container.
bool is_meant(const json& rule, const std::vector<std::string>& capabilities,
              const std::string& place) {
    const json includes = rule.value("includes", json::object());
    const json excludes = rule.value("excludes", json::object());
    const auto arches = texts_at(includes, "arches", place + "/includes");
    const auto has = [&](const std::string& name) { return contains_text(capabilities, name); };
    if ((!arches.empty() && !contains_text(arches, kNative)) ||
        contains_text(texts_at(excludes, "arches", place + "/excludes"), kNative)) {
        return false;
    }
    if (!std::ranges::all_of(texts_at(includes, "caps", place + "/includes"), has) ||
        std::ranges::any_of(texts_at(excludes, "caps", place + "/excludes"), has)) {
        return false;
    }
    const auto kernel = [&](const json& part) {
        return part.contains("minKernel") && part["minKernel"].is_string()
                   ? part["minKernel"].get<std::string>()
                   : std::string();
    };
    const std::string least = kernel(includes);
    const std::string below = kernel(excludes);
    return (least.empty() || kernel_is_at_least(least, place + "/includes/minKernel")) &&
           (below.empty() || !kernel_is_at_least(below, place + "/excludes/minKernel"));
}

json oci_rule(const json& rule, const std::string& place) {
    json result = json::object();
    std::vector<std::string> names = texts_at(rule, "names", place);
    if (const auto one = rule.find("name"); one != rule.end() && one->is_string()) {
        names.push_back(*one);
    }
    if (names.empty()) {
        refuse_profile(place + "/names", "the name of a system call at least");
    }
    if (!rule.contains("action") || !rule["action"].is_string()) {
        refuse_profile(place + "/action", "an action such as SCMP_ACT_ALLOW");
    }
    result["names"] = names;
    result["action"] = rule["action"];
    for (const char* key : {"errnoRet", "args"}) {
        if (rule.contains(key) && !rule[key].is_null()) {
            result[key] = rule[key];
        }
    }
    return result;
}

void put_architectures(json& result, const json& profile) {
    if (!texts_at(profile, "architectures", "").empty()) {
        result["architectures"] = profile["architectures"];
        return;
    }
    for (const json& one : profile.value("archMap", json::array())) {
        if (one.value("architecture", "") == kNativeFilter) {
            result["architectures"] = json::array({kNativeFilter});
            for (const std::string& sub : texts_at(one, "subArchitectures", "/archMap")) {
                result["architectures"].push_back(sub);
            }
        }
    }
}

}  // namespace

std::string oci_seccomp(std::string_view text, const std::vector<std::string>& capabilities) {
    const json profile = parse_strict_json(text, kProfile);
    if (!profile.is_object() || !profile.contains("defaultAction") ||
        !profile["defaultAction"].is_string()) {
        refuse_profile("/defaultAction", "an action such as SCMP_ACT_ERRNO");
    }
    json result = {{"defaultAction", profile["defaultAction"]}, {"syscalls", json::array()}};
    for (const char* key : {"defaultErrnoRet", "flags", "listenerPath", "listenerMetadata"}) {
        if (profile.contains(key) && !profile[key].is_null()) {
            result[key] = profile[key];
        }
    }
    try {
        put_architectures(result, profile);
        std::size_t index = 0;
        for (const json& rule : profile.value("syscalls", json::array())) {
            const std::string place = fmt::format("/syscalls/{}", index++);
            if (!rule.is_object()) {
                refuse_profile(place, "an object");
            }
            if (is_meant(rule, capabilities, place)) {
                result["syscalls"].push_back(oci_rule(rule, place));
            }
        }
    } catch (const json::exception& e) {
        throw InputError(fmt::format("{}: {}", kProfile, e.what()));
    }
    return result.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace drydock
