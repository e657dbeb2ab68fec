#include "api/platform.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock::api {
namespace {

constexpr std::array<std::string_view, 4> kSystems = {"linux", "windows", "darwin", "freebsd"};
constexpr std::array<std::string_view, 10> kArchitectures = {
    "amd64", "arm64", "arm", "386", "riscv64", "ppc64le", "s390x", "mips64le", "loong64", "wasm"};

/// What others call an architecture, as images call it.
struct OtherName {
    std::string_view name;
    std::string_view architecture;
    std::string_view variant;
};
constexpr std::array kOtherNames = std::to_array<OtherName>({{"x86_64", "amd64", ""},
                                                             {"x86-64", "amd64", ""},
                                                             {"aarch64", "arm64", ""},
                                                             {"armhf", "arm", "v7"},
                                                             {"armel", "arm", "v6"},
                                                             {"i386", "386", ""},
                                                             {"i686", "386", ""}});

[[noreturn]] void refuse_platform(std::string_view text) {
    throw InputError(fmt::format(
        "platform \"{}\": expected OS/ARCHITECTURE[/VARIANT], like linux/arm64 or linux/arm/v7",
        text));
}

std::vector<std::string> lower_parts(std::string_view text) {
    std::vector<std::string> parts(1);
    for (const char c : text) {
        if (c == '/') {
            parts.emplace_back();
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) == 0 && c != '_' && c != '-' && c != '.') {
            refuse_platform(text);
        }
        parts.back() += static_cast<char>(std::tolower(byte));
    }
    return parts;
}

void set_architecture(oci::Platform& platform, const std::string& name) {
    const auto other = std::ranges::find(kOtherNames, name, &OtherName::name);
    platform.architecture = other == kOtherNames.end() ? name : std::string(other->architecture);
    platform.variant = other == kOtherNames.end() ? "" : std::string(other->variant);
}

}  // namespace

oci::Platform parse_platform(std::string_view text) {
    constexpr std::size_t kMost = 3;
    const std::vector<std::string> parts = lower_parts(text);
    if (parts.size() > kMost || std::ranges::find(parts, "") != parts.end()) {
        refuse_platform(text);
    }
    oci::Platform platform = host_platform();
    if (parts.size() > 1) {
        platform.os = parts[0];
        set_architecture(platform, parts[1]);
        platform.variant = parts.size() == kMost ? parts[2] : platform.variant;
    } else if (std::ranges::find(kSystems, parts[0]) != kSystems.end()) {
        platform.os = parts[0];
    } else {
        set_architecture(platform, parts[0]);
    }
    const bool known =
        std::ranges::find(kSystems, platform.os) != kSystems.end() &&
        (std::ranges::find(kArchitectures, platform.architecture) != kArchitectures.end() ||
         platform.architecture == host_platform().architecture);
    if (!known) {
        refuse_platform(text);
    }
    return platform;
}

std::string platform_text(const oci::Platform& platform) {
    return fmt::format("{}/{}{}{}", platform.os, platform.architecture,
                       platform.variant.empty() ? "" : "/", platform.variant);
}

bool fits(const oci::Platform& made, const oci::Platform& wanted) {
    return made.os == wanted.os && made.architecture == wanted.architecture &&
           (made.variant.empty() || wanted.variant.empty() || made.variant == wanted.variant);
}

}  // namespace drydock::api
