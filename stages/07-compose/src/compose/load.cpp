#include "07-compose/compose/load.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/compose/naming.hpp"
#include "07-compose/compose/plan.hpp"

#include "load_networks.hpp"
#include "load_service.hpp"
#include "load_volumes.hpp"
#include "yaml_reader.hpp"

namespace drydock::compose {
namespace {

namespace fs = std::filesystem;
using YAML::Node;

/// Where a service's depends_on is, for messages about it.
std::map<std::string, Node> places_of(const Node& services) {
    std::map<std::string, Node> places;
    for (const auto& entry : services) {
        const Node depends_on = entry.second.IsMap() ? entry.second["depends_on"] : Node();
        places.emplace(entry.first.Scalar(),
                       depends_on.IsDefined() && !depends_on.IsNull() ? depends_on : entry.first);
    }
    return places;
}

void check_dependencies(const Project& project, const YamlReader& yaml, const Node& services) {
    const std::map<std::string, Node> places = places_of(services);
    for (const Service& service : project.services) {
        for (const std::string& name : service.depends_on) {
            if (!places.contains(name)) {
                yaml.fail(places.at(service.name),
                          fmt::format("services.{} depends on \"{}\", and there is no such service",
                                      service.name, name));
            }
        }
    }
    if (const auto cycle = find_cycle(project.services); !cycle.empty()) {
        yaml.fail(places.at(cycle.front()),
                  fmt::format("the services depend on each other in a circle: {}",
                              fmt::join(cycle, " → ")));
    }
}

std::string environment_or(const Lookup& lookup, const char* name, const std::string& otherwise) {
    const auto value = lookup(name);
    return value && !value->empty() ? *value : otherwise;
}

std::string checked_name(const std::string& name, const std::string& where) {
    if (name.empty() || normalised_project_name(name) != name) {
        throw InputError(fmt::format(
            "{}: \"{}\" is no name for a project; expected lower-case letters, digits, \"-\" and "
            "\"_\", beginning with a letter or digit",
            where, name));
    }
    return name;
}

}  // namespace

fs::path find_compose_file(const fs::path& directory) {
    for (fs::path folder = fs::absolute(directory);; folder = folder.parent_path()) {
        for (const char* name :
             {"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}) {
            if (fs::is_regular_file(folder / name)) {
                return folder / name;
            }
        }
        if (folder == folder.parent_path()) {
            break;
        }
    }
    throw InputError(fmt::format(
        "no compose.yaml in {} or a folder above; -f names a file elsewhere", directory.native()));
}

Project load_project(const fs::path& file, const std::string& project_name) {
    const fs::path absolute = fs::absolute(file).lexically_normal();
    const fs::path env_file = absolute.parent_path() / ".env";
    const auto variables = std::make_shared<std::map<std::string, std::string>>(
        fs::is_regular_file(env_file) ? parse_env_file(read_file(env_file), env_file.native())
                                      : std::map<std::string, std::string>());
    const Lookup lookup = [variables](const std::string& name) -> std::optional<std::string> {
        if (const char* value = std::getenv(name.c_str())) {  // NOLINT(concurrency-mt-unsafe)
            return value;
        }
        const auto found = variables->find(name);
        return found == variables->end() ? std::nullopt : std::optional(found->second);
    };
    return parse_project(read_file(absolute), absolute, project_name, lookup);
}

Project parse_project(const std::string& text, const fs::path& file,
                      const std::string& project_name, const Lookup& lookup) {
    YamlReader yaml(file, lookup);
    const fs::path directory = file.parent_path();
    Project project{.file = file};
    const Node document = yaml.parse(text);
    Node services;
    yaml.map(
        document, file.filename().native(),
        {{"services", [&](const Node& n) { services.reset(n); }},
         {"name",
          [&](const Node& n) { project.name = checked_name(yaml.text(n, "name"), yaml.where(n)); }},
         {"networks", [&](const Node& n) { project.networks = read_networks(yaml, n); }},
         {"volumes",
          [&](const Node& n) {
              yaml.each(n, "volumes", [&](const Node& key, const Node& value) {
                  project.volumes.push_back(read_project_volume(yaml, key.Scalar(), value));
              });
          }},
         {"version", [](const Node&) {}}},
        {"configs", "include", "models", "secrets"});
    if (!services.IsMap() || services.size() == 0) {
        throw InputError(fmt::format(
            "{}: has no services; expected \"services:\" and a name below it", file.native()));
    }
    yaml.each(services, "services", [&](const Node& key, const Node& value) {
        project.services.push_back(read_service(yaml, directory, key, value));
    });
    check_dependencies(project, yaml, services);
    settle_networks(yaml, services, project);
    check_volumes(project, file);
    const std::string chosen =
        !project_name.empty() ? project_name : environment_or(lookup, "COMPOSE_PROJECT_NAME", "");
    if (!chosen.empty()) {
        project.name = checked_name(chosen, "project name");
    } else if (project.name.empty()) {
        project.name = normalised_project_name(directory.filename().native());
        project.name = project.name.empty() ? "default" : project.name;
    }
    project.warnings = yaml.warnings;
    return project;
}

}  // namespace drydock::compose
