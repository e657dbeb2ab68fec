#include "05-images/descriptor.hpp"

#include <sys/utsname.h>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "05-images/strict_json.hpp"

namespace drydock {

bool media_type::is_index(std::string_view type) noexcept {
    return type == kOciIndex || type == kDockerList;
}

bool media_type::is_manifest(std::string_view type) noexcept {
    return type == kOciManifest || type == kDockerManifest;
}

oci::Platform host_platform() {
    // uname(2) says what the kernel is called, images say what Go calls it.
    static const std::map<std::string_view, oci::Platform> kNames = {
        {"x86_64", {.os = "linux", .architecture = "amd64"}},
        {"aarch64", {.os = "linux", .architecture = "arm64", .variant = "v8"}},
        {"armv7l", {.os = "linux", .architecture = "arm", .variant = "v7"}},
        {"i686", {.os = "linux", .architecture = "386"}},
    };
    ::utsname name{};
    check(::uname(&name), "uname()");
    const auto found = kNames.find(name.machine);
    return found != kNames.end() ? found->second
                                 : oci::Platform{.os = "linux", .architecture = name.machine};
}

oci::Descriptor read_descriptor(const JsonPlace& place) {
    oci::Descriptor result;
    result.media_type = place.at("mediaType").string();
    result.digest = place.at("digest").digest();
    result.size = place.at("size").unsigned_number();
    result.annotations = place.string_map("annotations");
    if (place.has("platform")) {
        const JsonPlace platform = place.at("platform");
        result.platform = oci::Platform{.os = platform.string("os"),
                                        .architecture = platform.string("architecture"),
                                        .variant = platform.string("variant")};
    }
    return result;
}

nlohmann::json to_json(const oci::Descriptor& descriptor) {
    nlohmann::json result = {{"mediaType", descriptor.media_type},
                             {"digest", descriptor.digest.text()},
                             {"size", descriptor.size}};
    if (!descriptor.annotations.empty()) {
        result["annotations"] = descriptor.annotations;
    }
    if (descriptor.platform) {
        result["platform"] = {{"os", descriptor.platform->os},
                              {"architecture", descriptor.platform->architecture}};
        if (!descriptor.platform->variant.empty()) {
            result["platform"]["variant"] = descriptor.platform->variant;
        }
    }
    return result;
}

}  // namespace drydock
