#pragma once

#include <string>
#include <string_view>

#include "05-images/descriptor.hpp"

namespace drydock::api {

/// "linux/arm64/v8", "arm64" or "linux" (this machine's for what is not said); "x86_64" and
/// "aarch64" are amd64 and arm64.
/// @throws InputError saying what would be right
oci::Platform parse_platform(std::string_view text);

/// "linux/arm64", "linux/arm64/v8".
std::string platform_text(const oci::Platform& platform);

/// Whether an image that was made for `made` is one for `wanted`; a variant that is not said does
/// not matter.
bool fits(const oci::Platform& made, const oci::Platform& wanted);

}  // namespace drydock::api
