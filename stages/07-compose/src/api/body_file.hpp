#pragma once

#include "01-chroot/unique_fd.hpp"
#include "07-compose/api/call.hpp"

namespace drydock::api {

/// The body of the request in a file without a name below the data root, at its beginning. It is on
/// disk and not in memory because images are large, and read whole before work begins because
/// clients wait for that.
UniqueFd body_in_file(Call& call);

}  // namespace drydock::api
