#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "01-chroot/unique_fd.hpp"
#include "07-compose/api/call.hpp"

namespace drydock::api {

/// The body of the request in a file without a name below the data root, at its beginning. It is on
/// disk and not in memory because images are large, and read whole before work begins because
/// clients wait for that.
/// @param begun what of it was read already
UniqueFd body_in_file(Call& call, std::string_view begun = {});

/// The body's first line, which is never on disk, and what was read behind it.
/// @throws InputError when it is longer than `limit` bytes, or the body has no line end
std::pair<std::string, std::string> first_line_of_body(Call& call, std::size_t limit);

}  // namespace drydock::api
