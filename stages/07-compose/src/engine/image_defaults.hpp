#pragma once

#include <string>

#include "05-images/image_config.hpp"
#include "05-images/image_store.hpp"
#include "05-images/runtime_config.hpp"
#include "07-compose/engine/container.hpp"

namespace drydock {

/// `config` with the image's own settings where the client gave none. An entrypoint of the client's
/// drops the image's command; {""} is no entrypoint.
/// @param id of the container, whose first 12 digits are its hostname
ContainerConfig with_image_defaults(ContainerConfig config, const Image& image,
                                    const oci::ImageConfig& settings, const std::string& id);

/// What stage 05 makes the bundle from.
ContainerOptions options_for_bundle(const ContainerConfig& config);

/// "busybox" as "busybox:latest"; an ID and what is no name as it is.
std::string shown_image_name(const std::string& name);

}  // namespace drydock
