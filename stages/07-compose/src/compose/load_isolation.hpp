#pragma once

#include <map>
#include <string>

#include "07-compose/compose/model.hpp"

#include "yaml_reader.hpp"

namespace drydock::compose {

/// The keys of a service that are about what its containers may do and use, for YamlReader::map().
/// @param prefix "services.web"; both references must outlive the result
std::map<std::string, YamlReader::Key> isolation_keys(YamlReader& yaml, const std::string& prefix,
                                                      Service& service);

}  // namespace drydock::compose
