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
                                                   "storage_opt",
                                                   "sysctls",
                                                   "ulimits",
                                                   "userns_mode",
                                                   "uts"};

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
            {"healthcheck", [&](const Node& n) { read_healthcheck(n); }},
            {"volumes", [&](const Node& n) { read_volumes(n); }},
            {"volumes_from",
             [&](const Node& n) { spec.volumes_from = yaml_.texts(n, at("volumes_from")); }},
            {"tmpfs", [&](const Node& n) { spec.tmpfs = yaml_.texts(n, at("tmpfs")); }},
            {"tty", [&](const Node& n) { spec.streams.tty = yaml_.boolean(n, at("tty")); }},
            {"stdin_open",
             [&](const Node& n) { spec.streams.interactive = yaml_.boolean(n, at("stdin_open")); }},
            {"stop_signal",
             [&](const Node& n) { spec.stop_signal = yaml_.text(n, at("stop_signal")); }},
            {"stop_grace_period",
             [&](const Node& n) {
                 constexpr std::int64_t kSecond = 1'000'000'000;
                 spec.stop_timeout =
                     static_cast<int>((duration(n, "stop_grace_period") + kSecond - 1) / kSecond);
             }},
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
            Dependency& dependency = service_.dependencies[key.Scalar()];
            yaml_.map(
                value, at("depends_on." + key.Scalar()),
                {{"condition", [&](const Node& n) { read_condition(n, dependency); }},
                 {"restart", [&](const Node& n) { expect_only(n, "depends_on restart", "false"); }},
                 {"required", [&](const Node& n) {
                      dependency.required = yaml_.boolean(n, at("depends_on.required"));
                  }}});
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
        if (policy != "false") {  // what YAML 1.1 makes of an unquoted no
            service_.container.restart =
                cli::parse_restart(policy, fmt::format("{}: {}", yaml_.where(node), at("restart")));
        }
    }

    void read_condition(const Node& node, Dependency& dependency) {
        dependency.condition = yaml_.text(node, at("depends_on condition"));
        if (dependency.condition != "service_started" &&
            dependency.condition != "service_healthy" &&
            dependency.condition != "service_completed_successfully") {
            yaml_.fail(node, fmt::format("{}: \"{}\"; expected service_started, service_healthy or "
                                         "service_completed_successfully",
                                         at("depends_on condition"), dependency.condition));
        }
    }

    std::int64_t duration(const Node& node, std::string_view key) {
        return cli::parse_duration(yaml_.text(node, at(key)),
                                   fmt::format("{}: {}", yaml_.where(node), at(key)));
    }

    void read_health_test(const Node& node, cli::HealthSpec& health) {
        if (node.IsScalar()) {
            health.test = {"CMD-SHELL", yaml_.text(node, at("healthcheck.test"))};
            return;
        }
        health.test = yaml_.texts(node, at("healthcheck.test"));
        if (health.test.empty() || (health.test.front() != "NONE" && health.test.front() != "CMD" &&
                                    health.test.front() != "CMD-SHELL")) {
            yaml_.fail(node, fmt::format("{}: expected a text, or a list that begins with CMD, "
                                         "CMD-SHELL or NONE",
                                         at("healthcheck.test")));
        }
    }

    void read_healthcheck(const Node& node) {
        cli::HealthSpec health;
        bool disabled = false;
        yaml_.map(
            node, at("healthcheck"),
            {{"test", [&](const Node& n) { read_health_test(n, health); }},
             {"interval",
              [&](const Node& n) { health.interval = duration(n, "healthcheck.interval"); }},
             {"timeout",
              [&](const Node& n) { health.timeout = duration(n, "healthcheck.timeout"); }},
             {"start_period",
              [&](const Node& n) {
                  health.start_period = duration(n, "healthcheck.start_period");
              }},
             {"start_interval",
              [&](const Node& n) {
                  health.start_interval = duration(n, "healthcheck.start_interval");
              }},
             {"retries",
              [&](const Node& n) { health.retries = yaml_.count(n, at("healthcheck.retries")); }},
             {"disable",
              [&](const Node& n) { disabled = yaml_.boolean(n, at("healthcheck.disable")); }}});
        if (disabled) {
            health = {.test = {"NONE"}};
        }
        service_.container.health = std::move(health);
    }

    /// A path of the host as Compose writes it: from the file's folder, or from the home.
    [[nodiscard]] std::string host_path(const std::string& text) const {
        if (text == "~" || text.starts_with("~/")) {
            const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
            return std::string(home != nullptr ? home : "/") + text.substr(1);
        }
        std::string path = (directory_ / text).lexically_normal();
        while (path.size() > 1 && path.ends_with('/')) {
            path.pop_back();
        }
        return path;
    }

    void read_short_volume(const Node& node) {
        const std::string text = yaml_.text(node, at("volumes"));
        const auto first = text.find(':');
        if (first == std::string::npos) {
            service_.volumes.push_back({.type = "volume", .target = text});
            return;
        }
        const auto second = text.find(':', first + 1);
        ServiceVolume volume{.type = "volume",
                             .source = text.substr(0, first),
                             .target = text.substr(first + 1, second - first - 1)};
        if (second != std::string::npos) {
            volume.mode = text.substr(second + 1);
        }
        if (volume.source.starts_with('.') || volume.source.starts_with('/') ||
            volume.source.starts_with('~')) {
            volume.type = "bind";
            volume.source = host_path(volume.source);
        }
        service_.volumes.push_back(std::move(volume));
    }

    void read_long_volume(const Node& node) {
        ServiceVolume volume{.type = "volume"};
        const auto add_mode = [&](const std::string& word) {
            volume.mode += (volume.mode.empty() ? "" : ",") + word;
        };
        yaml_.map(
            node, at("volumes"),
            {{"type", [&](const Node& n) { volume.type = yaml_.text(n, at("volumes.type")); }},
             {"source",
              [&](const Node& n) { volume.source = yaml_.text(n, at("volumes.source")); }},
             {"target",
              [&](const Node& n) { volume.target = yaml_.text(n, at("volumes.target")); }},
             {"read_only",
              [&](const Node& n) {
                  if (yaml_.boolean(n, at("volumes.read_only"))) {
                      add_mode("ro");
                  }
              }},
             {"bind",
              [&](const Node& n) {
                  yaml_.map(n, at("volumes.bind"),
                            {{"propagation",
                              [&](const Node& v) {
                                  add_mode(yaml_.text(v, at("volumes.bind.propagation")));
                              }},
                             {"create_host_path",
                              [&](const Node& v) {
                                  expect_only(v, at("volumes.bind.create_host_path"), "true");
                              }}},
                            {"selinux", "recursive"});
              }},
             {"volume",
              [&](const Node& n) {
                  yaml_.map(n, at("volumes.volume"),
                            {{"nocopy",
                              [&](const Node& v) {
                                  if (yaml_.boolean(v, at("volumes.volume.nocopy"))) {
                                      add_mode("nocopy");
                                  }
                              }}},
                            {"subpath", "labels"});
              }},
             {"tmpfs",
              [&](const Node& n) {
                  yaml_.map(n, at("volumes.tmpfs"),
                            {{"size",
                              [&](const Node& v) {
                                  add_mode(fmt::format("size={}", bytes(v, "volumes.tmpfs.size")));
                              }},
                             {"mode", [&](const Node& v) {
                                  add_mode("mode=" + yaml_.text(v, at("volumes.tmpfs.mode")));
                              }}});
              }}},
            {"consistency"});
        if (volume.target.empty() ||
            (volume.type != "bind" && volume.type != "volume" && volume.type != "tmpfs")) {
            yaml_.fail(node,
                       fmt::format("{}: expected a target, and the type bind, volume or tmpfs",
                                   at("volumes")));
        }
        if (volume.type == "bind") {
            volume.source = host_path(volume.source);
        }
        service_.volumes.push_back(std::move(volume));
    }

    void read_volumes(const Node& node) {
        if (!node.IsSequence()) {
            yaml_.fail(node, fmt::format("{}: expected a list", at("volumes")));
        }
        for (const auto& one : node) {
            if (one.IsMap()) {
                read_long_volume(one);
            } else {
                read_short_volume(one);
            }
        }
    }

    YamlReader& yaml_;
    const fs::path& directory_;
    std::string prefix_;
    Service service_{};
};

ProjectVolume read_project_volume(YamlReader& yaml, const std::string& key, const Node& node) {
    ProjectVolume volume{.key = key};
    const std::string prefix = "volumes." + key;
    if (node.IsNull()) {
        return volume;
    }
    yaml.map(node, prefix,
             {{"name", [&](const Node& n) { volume.name = yaml.text(n, prefix + ".name"); }},
              {"external",
               [&](const Node& n) { volume.external = yaml.boolean(n, prefix + ".external"); }},
              {"driver", [&](const Node& n) { volume.driver = yaml.text(n, prefix + ".driver"); }},
              {"driver_opts",
               [&](const Node& n) {
                   volume.driver_options = yaml.pairs(n, prefix + ".driver_opts", yaml.lookup());
               }},
              {"labels", [&](const Node& n) {
                   volume.labels = yaml.pairs(n, prefix + ".labels", [](const std::string&) {
                       return std::optional<std::string>("");
                   });
               }}});
    if (volume.external && volume.name.empty()) {
        volume.name = key;
    }
    return volume;
}

/// Every volume that a service names is one of the project's.
void check_volumes(const Project& project, const fs::path& file) {
    for (const Service& service : project.services) {
        for (const ServiceVolume& volume : service.volumes) {
            if (volume.type == "volume" && !volume.source.empty() &&
                std::ranges::find(project.volumes, volume.source, &ProjectVolume::key) ==
                    project.volumes.end()) {
                throw InputError(
                    fmt::format("{}: services.{} refers to the volume \"{}\", and there is none in "
                                "\"volumes:\"",
                                file.native(), service.name, volume.source));
            }
        }
    }
}

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
        project.services.push_back(ServiceReader(yaml, directory, key.Scalar()).read(key, value));
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
