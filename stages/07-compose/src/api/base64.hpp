#pragma once

#include <string>
#include <string_view>

namespace drydock::api {

/// With the alphabet of RFC 4648, section 4, and its padding.
std::string base64(std::string_view bytes);

}  // namespace drydock::api
