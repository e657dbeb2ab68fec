#pragma once

#include <filesystem>
#include <string>

#include "07-compose/cli/container_spec.hpp"
#include "07-compose/compose/model.hpp"

namespace drydock::compose {

/// `text` as a project name: lower case, of [a-z0-9_-], not beginning with _ or -.
std::string normalised_project_name(const std::string& text);

/// "proj-web-1", or the service's container_name.
std::string container_name(const Project& project, const Service& service, int number);
/// What a service's image is called: as written, or "proj-web" for one that is built.
std::string image_name(const Project& project, const Service& service);
/// 64 hexadecimal digits: a digest of all that makes a container of this service what it is: a
/// second `up` with the same one changes nothing.
std::string config_hash(const Project& project, const Service& service);
/// What to create: name, image and the labels com.docker.compose.*, by which everything is found
/// again.
cli::ContainerSpec container_spec(const Project& project, const Service& service, int number,
                                  const std::string& image_id);

/// What the engine calls a volume of the project.
std::string volume_name(const Project& project, const ProjectVolume& volume);

}  // namespace drydock::compose
