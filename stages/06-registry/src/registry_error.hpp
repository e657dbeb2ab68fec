#pragma once

#include <string_view>

#include "06-registry/http.hpp"

namespace drydock {

/// An answer of the registry that says no.
/// @param code of the spec: "BLOB_UNKNOWN"
/// @see OCI distribution-spec, "Error Codes"
HttpError registry_refusal(int status, std::string_view code, std::string_view message,
                           HttpHeaders headers = {});

}  // namespace drydock
