#pragma once

#include <string>

namespace drydock {

/// "https://host:port" of a URL, the port always there.
/// @throws InputError for what is no http or https URL
std::string origin_of(const std::string& url);
/// `location` as seen from `base`: absolute, or relative to it.
std::string resolve_url(const std::string& base, const std::string& location);

}  // namespace drydock
