#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "07-compose/engine/container.hpp"
#include "07-compose/engine/filters.hpp"

namespace drydock::api {

/// What `docker ps --filter` understands. @throws InputError for another key
Filters parse_container_filters(std::string_view json);

/// Whether the container passes: values of one key are alternatives, labels and different keys must
/// all match.
/// @param image_id_of the ID of a named image, "" when there is none: for `ancestor`
bool passes(const Container& container, const Filters& filters,
            const std::function<std::string(const std::string&)>& image_id_of);

}  // namespace drydock::api
