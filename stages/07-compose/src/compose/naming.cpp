#include "07-compose/compose/naming.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "04-layers/digest.hpp"
#include "07-compose/cli/commands.hpp"
#include "07-compose/compose/project_networks.hpp"

namespace drydock::compose {

namespace {

/// Puts the service's volumes into the words of the command line's -v and --tmpfs.
void put_volumes(const Project& project, const Service& service, cli::ContainerSpec& spec) {
    for (const ServiceVolume& volume : service.volumes) {
        const std::string mode = volume.mode.empty() ? "" : ":" + volume.mode;
        if (volume.type == "tmpfs") {
            spec.tmpfs.push_back(volume.target + mode);
            continue;
        }
        std::string source = volume.source;
        for (const ProjectVolume& one : project.volumes) {
            if (volume.type == "volume" && one.key == volume.source) {
                source = volume_name(project, one);
            }
        }
        spec.volumes.push_back(source.empty() ? volume.target
                                              : source + ":" + volume.target + mode);
    }
}

}  // namespace

std::string volume_name(const Project& project, const ProjectVolume& volume) {
    return volume.name.empty() ? fmt::format("{}_{}", project.name, volume.key) : volume.name;
}

std::string normalised_project_name(const std::string& text) {
    std::string name;
    for (char c : text) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        const bool inside = c == '_' || c == '-';
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (inside && !name.empty())) {
            name += c;
        }
    }
    return name;
}

std::string container_name(const Project& project, const Service& service, int number) {
    return service.container_name.empty()
               ? fmt::format("{}-{}-{}", project.name, service.name, number)
               : service.container_name;
}

std::string image_name(const Project& project, const Service& service) {
    return service.container.image.empty() ? fmt::format("{}-{}", project.name, service.name)
                                           : service.container.image;
}

std::string config_hash(const Project& project, const Service& service) {
    cli::ContainerSpec spec = service.container;
    spec.image = image_name(project, service);
    spec.name.clear();
    put_networks(project, service, spec);
    put_volumes(project, service, spec);
    return std::string(digest_of(service.container_name + "\n" + cli::create_body(spec)).hex());
}

cli::ContainerSpec container_spec(const Project& project, const Service& service, int number,
                                  const std::string& image_id) {
    cli::ContainerSpec spec = service.container;
    spec.name = container_name(project, service, number);
    spec.image = image_name(project, service);
    for (std::string* mode : {&spec.network, &spec.isolation.pid, &spec.isolation.ipc}) {
        constexpr std::string_view kService = "service:";
        if (mode->starts_with(kService)) {
            const Service& donor = project.service(mode->substr(kService.size()));
            *mode = "container:" + container_name(project, donor, 1);
        }
    }
    put_networks(project, service, spec);
    put_volumes(project, service, spec);
    std::vector<std::string> dependencies;
    for (const std::string& name : service.depends_on) {
        const auto found = service.dependencies.find(name);
        dependencies.push_back(fmt::format("{}:{}:false", name,
                                           found == service.dependencies.end()
                                               ? Dependency{}.condition
                                               : found->second.condition));
    }
    const auto label = [&](const char* key, const std::string& value) {
        spec.labels[std::string("com.docker.compose.") + key] = value;
    };
    label("project", project.name);
    label("service", service.name);
    label("container-number", std::to_string(number));
    label("oneoff", "False");
    label("config-hash", config_hash(project, service));
    label("project.working_dir", project.file.parent_path().native());
    label("project.config_files", project.file.native());
    label("depends_on", fmt::format("{}", fmt::join(dependencies, ",")));
    label("image", image_id);
    label("version", std::string(cli::kVersion));
    return spec;
}

}  // namespace drydock::compose
