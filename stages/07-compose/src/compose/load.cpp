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
#include "yaml_reader.hpp"

namespace drydock::compose {
namespace {

namespace fs = std::filesystem;
using YAML::Node;

/// What a service may have in Compose and cannot have here yet.
const std::vector<std::string> kNotYetInService = {"annotations",
                                                   "attach",
                                                   "blkio_config",
                                                   "cap_add",
                                                   "cap_drop",
                                                   "cgroup",
                                                   "cgroup_parent",
                                                   "configs",
                                                   "cpu_count",
                                                   "cpu_percent",
                                                   "cpu_period",
                                                   "cpu_quota",
                                                   "cpu_shares",
                                                   "cpuset",
                                                   "credential_spec",
                                                   "develop",
                                                   "device_cgroup_rules",
                                                   "devices",
                                                   "env_file",
                                                   "extends",
                                                   "external_links",
                                                   "gpus",
                                                   "group_add",
                                                   "healthcheck",
                                                   "ipc",
                                                   "isolation",
                                                   "label_file",
                                                   "links",
                                                   "logging",
                                                   "mem_reservation",
                                                   "mem_swappiness",
                                                   "memswap_limit",
                                                   "oom_kill_disable",
                                                   "oom_score_adj",
                                                   "pid",
                                                   "platform",
                                                   "post_start",
                                                   "pre_stop",
                                                   "privileged",
                                                   "profiles",
                                                   "provider",
                                                   "pull_policy",
                                                   "runtime",
                                                   "secrets",
                                                   "security_opt",
                                                   "shm_size",
                                                   "stdin_open",
                                                   "stop_grace_period",
                                                   "stop_signal",
                                                   "storage_opt",
                                                   "sysctls",
                                                   "tmpfs",
                                                   "tty",
                                                   "ulimits",
                                                   "userns_mode",
                                                   "uts",
                                                   "volumes",
                                                   "volumes_from"};

bool is_service_name(const std::string& name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("._-").find(c) != std::string_view::npos;
    });
}

/// Reads one service. Each key of the file is a row of `keys()`.
class ServiceReader {
  public:
    ServiceReader(YamlReader& yaml, const fs::path& directory, std::string name)
        : yaml_(yaml), directory_(directory), prefix_("services." + name) {
        service_.name = std::move(name);
    }

    Service read(const Node& key, const Node& value) {
        if (!is_service_name(service_.name)) {
            yaml_.fail(key, fmt::format("\"{}\" is no name for a service; expected letters, "
                                        "digits, \".\", \"_\", \"-\"",
                                        service_.name));
        }
        yaml_.map(value, prefix_, keys(), kNotYetInService);
        if (service_.container.image.empty() && !service_.build) {
            yaml_.fail(key, fmt::format("{}: has neither image nor build", prefix_));
        }
        if (service_.replicas > 1 && !service_.container_name.empty()) {
            yaml_.fail(key, fmt::format("{}: {} containers cannot share one container_name",
                                        prefix_, service_.replicas));
        }
        return std::move(service_);
    }

  private:
    std::map<std::string, YamlReader::Key> keys() {
        cli::ContainerSpec& spec = service_.container;
        std::map<std::string, YamlReader::Key> keys = {
            {"image", [&](const Node& n) { spec.image = yaml_.text(n, at("image")); }},
            {"build", [&](const Node& n) { read_build(n); }},
            {"command", [&](const Node& n) { spec.command = yaml_.words(n, at("command")); }},
            {"entrypoint",
             [&](const Node& n) { spec.entrypoint = yaml_.words(n, at("entrypoint")); }},
            {"environment", [&](const Node& n) { read_environment(n); }},
            {"depends_on", [&](const Node& n) { read_depends_on(n); }},
            {"deploy", [&](const Node& n) { read_deploy(n); }},
            {"mem_limit", [&](const Node& n) { spec.memory_bytes = bytes(n, "mem_limit"); }},
            {"cpus", [&](const Node& n) { spec.nano_cpus = cpus(n, "cpus"); }},
            {"pids_limit", [&](const Node& n) { spec.pids = yaml_.count(n, at("pids_limit")); }},
            {"labels",
             [&](const Node& n) {
                 spec.labels = yaml_.pairs(n, at("labels"), [](const std::string&) {
                     return std::optional<std::string>("");
                 });
             }},
            {"container_name",
             [&](const Node& n) { service_.container_name = yaml_.text(n, at("container_name")); }},
            {"hostname", [&](const Node& n) { spec.hostname = yaml_.text(n, at("hostname")); }},
            {"user", [&](const Node& n) { spec.user = yaml_.text(n, at("user")); }},
            {"working_dir",
             [&](const Node& n) { spec.workdir = yaml_.text(n, at("working_dir")); }},
            {"read_only",
             [&](const Node& n) { spec.read_only = yaml_.boolean(n, at("read_only")); }},
            {"init", [&](const Node& n) { spec.init = yaml_.boolean(n, at("init")); }},
            {"network_mode", [&](const Node& n) { read_network_mode(n); }},
            {"restart", [&](const Node& n) { read_restart(n); }},
            {"scale", [&](const Node& n) { service_.replicas = yaml_.count(n, at("scale")); }},
        };
        keys.merge(network_keys(yaml_, prefix_, service_));
        return keys;
    }

    [[nodiscard]] std::string at(std::string_view key) const {
        return fmt::format("{}.{}", prefix_, key);
    }

    std::int64_t bytes(const Node& node, std::string_view key) {
        return cli::parse_bytes(yaml_.text(node, at(key)),
                                fmt::format("{}: {}", yaml_.where(node), at(key)));
    }

    std::int64_t cpus(const Node& node, std::string_view key) {
        return cli::parse_cpus(yaml_.text(node, at(key)),
                               fmt::format("{}: {}", yaml_.where(node), at(key)));
    }

    void read_build(const Node& node) {
        Build build{.context = directory_, .dockerfile = "Dockerfile"};
        const auto set_context = [&](const Node& n) {
            build.context = (directory_ / yaml_.text(n, at("build.context"))).lexically_normal();
        };
        if (node.IsScalar()) {
            set_context(node);
        } else {
            yaml_.map(
                node, at("build"),
                {{"context", set_context},
                 {"dockerfile",
                  [&](const Node& n) { build.dockerfile = yaml_.text(n, at("build.dockerfile")); }},
                 {"target",
                  [&](const Node& n) { build.target = yaml_.text(n, at("build.target")); }},
                 {"args",
                  [&](const Node& n) {
                      build.args = yaml_.pairs(n, at("build.args"), yaml_.lookup());
                  }}},
                {"additional_contexts", "cache_from", "cache_to", "dockerfile_inline",
                 "extra_hosts", "labels", "network", "no_cache", "platforms", "pull", "secrets",
                 "shm_size", "ssh", "tags"});
        }
        service_.build = std::move(build);
    }

    void read_environment(const Node& node) {
        for (const auto& [key, value] : yaml_.pairs(node, at("environment"), yaml_.lookup())) {
            service_.container.env.push_back(key + "=" + value);
        }
    }

    void read_depends_on(const Node& node) {
        if (!node.IsMap()) {
            service_.depends_on = yaml_.texts(node, at("depends_on"));
            return;
        }
        yaml_.each(node, at("depends_on"), [&](const Node& key, const Node& value) {
            service_.depends_on.push_back(key.Scalar());
            if (value.IsNull()) {
                return;
            }
            yaml_.map(
                value, at("depends_on." + key.Scalar()),
                {{"condition",
                  [&](const Node& n) {
                      expect_only(n, "depends_on condition", "service_started");
                  }},
                 {"restart", [&](const Node& n) { expect_only(n, "depends_on restart", "false"); }},
                 {"required",
                  [&](const Node& n) { expect_only(n, "depends_on required", "true"); }}});
        });
    }

    /// What is in Compose, and here with one value only.
    void expect_only(const Node& node, const std::string& what, const std::string& value) {
        const std::string found = yaml_.text(node, what);
        if (found != value) {
            yaml_.not_implemented(node, fmt::format("{}: {} (only {})", what, found, value));
        }
    }

    void read_deploy(const Node& node) {
        cli::ContainerSpec& spec = service_.container;
        const auto limits = [&](const Node& n) {
            yaml_.map(
                n, at("deploy.resources.limits"),
                {{"cpus",
                  [&](const Node& v) { spec.nano_cpus = cpus(v, "deploy.resources.limits.cpus"); }},
                 {"memory",
                  [&](const Node& v) {
                      spec.memory_bytes = bytes(v, "deploy.resources.limits.memory");
                  }},
                 {"pids",
                  [&](const Node& v) {
                      spec.pids = yaml_.count(v, at("deploy.resources.limits.pids"));
                  }}},
                {"devices"});
        };
        const auto resources = [&](const Node& n) {
            yaml_.map(n, at("deploy.resources"), {{"limits", limits}}, {"reservations"});
        };
        yaml_.map(
            node, at("deploy"),
            {{"resources", resources},
             {"mode", [&](const Node& n) { expect_only(n, "deploy.mode", "replicated"); }},
             {"replicas",
              [&](const Node& n) { service_.replicas = yaml_.count(n, at("deploy.replicas")); }}},
            {"endpoint_mode", "labels", "placement", "restart_policy", "rollback_config",
             "update_config"});
    }

    void read_network_mode(const Node& node) {
        const std::string mode = yaml_.text(node, at("network_mode"));
        if (mode.starts_with("service:")) {
            yaml_.not_implemented(node,
                                  fmt::format("{}: {} (none, host, bridge and container:NAME are)",
                                              at("network_mode"), mode));
        }
        service_.container.network = mode;
    }

    void read_restart(const Node& node) {
        const std::string policy = yaml_.text(node, at("restart"));
        if (policy != "no" && policy != "false") {
            yaml_.not_implemented(node, fmt::format("{}: {} (\"no\" is)", at("restart"), policy));
        }
    }

    YamlReader& yaml_;
    const fs::path& directory_;
    std::string prefix_;
    Service service_{};
};

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
         {"version", [](const Node&) {}}},
        {"configs", "include", "models", "secrets", "volumes"});
    if (!services.IsMap() || services.size() == 0) {
        throw InputError(fmt::format(
            "{}: has no services; expected \"services:\" and a name below it", file.native()));
    }
    yaml.each(services, "services", [&](const Node& key, const Node& value) {
        project.services.push_back(ServiceReader(yaml, directory, key.Scalar()).read(key, value));
    });
    check_dependencies(project, yaml, services);
    settle_networks(yaml, services, project);
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
