#pragma once

#include "07-compose/api/call.hpp"

namespace drydock::api {

/// `docker import`: the archive in the body becomes the one layer of a new image.
void import_image(Call& call);

}  // namespace drydock::api
