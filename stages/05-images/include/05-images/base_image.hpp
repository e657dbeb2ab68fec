#pragma once

#include <string_view>

#include "05-images/image_store.hpp"

namespace drydock {

inline constexpr std::string_view kBaseImage = "drydock/base";

/// The image drydock/base:latest is in the store afterwards: a root file system made of the static
/// busybox that was put into this program when it was built, so that it works with no network. Its
/// digest depends on that busybox alone. Cheap when it is there already. A user's own image of that
/// name is left alone.
///
/// Only programs that call this carry the two megabytes.
Image ensure_base_image(ImageStore& store);

/// Whether `reference` names the base image, so that a caller knows when ensure_base_image() helps.
bool is_base_image(const Reference& reference);

}  // namespace drydock
