#include "load_service.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/compose/plan.hpp"

#include "load_isolation.hpp"
#include "load_networks.hpp"
#include "load_volumes.hpp"

namespace drydock::compose {
namespace {

namespace fs = std::filesystem;
using YAML::Node;

/// What a service may have in Compose and cannot have here yet.
const std::vector<std::string> kNotYetInService = {
    "attach",     "configs",  "cpu_count",      "cpu_percent", "credential_spec",
    "develop",    "extends",  "external_links", "gpus",        "isolation",
    "label_file", "links",    "platform",       "post_start",  "pre_stop",
    "profiles",   "provider", "pull_policy",    "secrets"};

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
        finish_environment();
        for (const std::string& name : joined_services(service_)) {
            if (std::ranges::find(service_.depends_on, name) == service_.depends_on.end()) {
                service_.depends_on.push_back(name);
            }
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
            {"env_file", [&](const Node& n) { read_env_files(n); }},
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
            {"network_mode",
             [&](const Node& n) { spec.network = yaml_.text(n, at("network_mode")); }},
            {"restart", [&](const Node& n) { read_restart(n); }},
            {"healthcheck", [&](const Node& n) { read_healthcheck(n); }},
            {"volumes",
             [&](const Node& n) {
                 service_.volumes = read_volumes(yaml_, n, at("volumes"), directory_);
             }},
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
        keys.merge(isolation_keys(yaml_, prefix_, service_));
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

    /// What stands in a file, under what stands in `environment`.
    void finish_environment() {
        std::vector<std::string>& env = service_.container.env;
        std::vector<std::string> below;
        for (const auto& [key, value] : of_env_files_) {
            if (std::ranges::none_of(
                    env, [&](const std::string& one) { return one.starts_with(key + "="); })) {
                below.push_back(key + "=" + value);
            }
        }
        env.insert(env.begin(), below.begin(), below.end());
    }

    void read_environment(const Node& node) {
        for (const auto& [key, value] : yaml_.pairs(node, at("environment"), yaml_.lookup())) {
            service_.container.env.push_back(key + "=" + value);
        }
    }

    void add_env_file(const std::string& name, bool required) {
        const fs::path file = (directory_ / name).lexically_normal();
        if (!required && !fs::exists(file)) {
            return;
        }
        for (const auto& [key, value] : parse_env_file(read_file(file), file.native())) {
            of_env_files_[key] = value;
        }
    }

    void read_env_files(const Node& node) {
        if (node.IsScalar()) {
            add_env_file(yaml_.text(node, at("env_file")), true);
            return;
        }
        for (const auto& item : node) {
            std::string name;
            bool required = true;
            if (item.IsMap()) {
                yaml_.map(item, at("env_file"),
                          {{"path", [&](const Node& n) { name = yaml_.text(n, at("env_file")); }},
                           {"required",
                            [&](const Node& n) {
                                required = yaml_.boolean(n, at("env_file.required"));
                            }}},
                          {"format"});
            } else {
                name = yaml_.text(item, at("env_file"));
            }
            add_env_file(name, required);
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

    YamlReader& yaml_;
    const fs::path& directory_;
    std::string prefix_;
    Service service_{};
    std::map<std::string, std::string> of_env_files_{};
};

}  // namespace

Service read_service(YamlReader& yaml, const fs::path& directory, const Node& key,
                     const Node& value) {
    return ServiceReader(yaml, directory, key.Scalar()).read(key, value);
}

}  // namespace drydock::compose
