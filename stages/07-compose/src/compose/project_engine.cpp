#include "07-compose/compose/project_engine.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/cli/build_context.hpp"
#include "07-compose/cli/container_spec.hpp"
#include "07-compose/compose/naming.hpp"

#include "anonymous_volumes.hpp"

namespace drydock::compose {
namespace {

using cli::path_of;
using nlohmann::json;

constexpr int kNotFound = 404;

void tell(const std::string& container, const char* what) {
    static_cast<void>(std::fprintf(stderr, " Container %s  %s\n", container.c_str(), what));
}

std::optional<std::string> image_id(const cli::Engine& engine, const std::string& image) {
    try {
        return engine.get(path_of({"images", image, "json"})).at("Id").get<std::string>();
    } catch (const cli::EngineError& e) {
        if (e.status() != kNotFound) {
            throw;
        }
        return std::nullopt;
    }
}

void build(const cli::Engine& engine, const Service& service, const std::string& image) {
    static_cast<void>(std::fprintf(stderr, " Image %s  Building\n", image.c_str()));
    cli::build_image(engine,
                     {.context = service.build->context,
                      .dockerfile = service.build->dockerfile,
                      .tags = {image},
                      .build_args = service.build->args,
                      .target = service.build->target},
                     STDERR_FILENO);
}

/// Also while it is paused, or waits to be started again.
bool is_up(const std::string& state) {
    return state == "running" || state == "paused" || state == "restarting";
}

Existing existing_of(const json& container) {
    const json labels = container.value("Labels", json::object());
    const auto label = [&](const char* key) {
        return labels.value(std::string("com.docker.compose.") + key, "");
    };
    Existing existing{.id = container.at("Id").get<std::string>(),
                      .service = label("service"),
                      .number = std::atoi(
                          label("container-number").c_str()),  // NOLINT(cert-err34-c): 0 is as good
                      .config_hash = label("config-hash"),
                      .image_id = container.value("ImageID", ""),
                      .running = is_up(container.value("State", ""))};
    const json names = container.value("Names", json::array());
    existing.name = names.empty() ? existing.id.substr(0, 12) : names.front().get<std::string>();
    existing.name.erase(0, existing.name.starts_with('/') ? 1 : 0);
    return existing;
}

void stop_one(const cli::Engine& engine, const std::string& id, std::chrono::seconds grace) {
    engine.post(path_of({"containers", id, "stop"}), {{"t", std::to_string(grace.count())}});
}

/// Gone already is as good.
void remove_one(const cli::Engine& engine, const std::string& id, bool volumes) {
    try {
        engine.remove(path_of({"containers", id}), {{"force", "1"}, {"v", volumes ? "1" : "0"}});
    } catch (const cli::EngineError& e) {
        if (e.status() != kNotFound) {
            throw;
        }
    }
}

/// Owns the containers that an `up` has made, until it has gone well.
class Created {
  public:
    explicit Created(const cli::Engine& engine) : engine_(engine) {}
    ~Created() {
        for (auto id = ids_.rbegin(); id != ids_.rend(); ++id) {
            try {
                remove_one(engine_, *id, true);
            } catch (const std::exception& e) {
                static_cast<void>(std::fprintf(stderr, "drydock-compose: container %s stays: %s\n",
                                               id->c_str(), e.what()));
            }
        }
    }
    Created(const Created&) = delete;
    Created& operator=(const Created&) = delete;
    Created(Created&&) = delete;
    Created& operator=(Created&&) = delete;

    void add(const std::string& id) { ids_.push_back(id); }
    void keep() noexcept { ids_.clear(); }

  private:
    const cli::Engine& engine_;
    std::vector<std::string> ids_{};
};

void start(const cli::Engine& engine, const std::string& id, const std::string& name) {
    try {
        engine.post(path_of({"containers", id, "start"}));
    } catch (const cli::EngineError& e) {
        throw cli::EngineError(e.status(), fmt::format("container {}: {}", name, e.what()));
    }
    tell(name, "Started");
}

/// What became of a dependency so far: nothing while it is too early to say.
/// @throws InputError in Compose's words when it has failed
bool is_met(const json& container, const std::string& condition) {
    const json& state = container.at("State");
    auto name = container.value("Name", "");
    name.erase(0, name.starts_with('/') ? 1 : 0);
    const bool has_ended = state.value("Status", "") == "exited";
    const int exit_code = state.value("ExitCode", 0);
    if (condition == "service_completed_successfully") {
        if (has_ended && exit_code != 0) {
            throw InputError(
                fmt::format("container {} didn't complete successfully: exit {}", name, exit_code));
        }
        return has_ended;
    }
    if (has_ended) {
        throw InputError(
            fmt::format("dependency failed to start: container {} exited ({})", name, exit_code));
    }
    if (!state.contains("Health")) {
        throw InputError(fmt::format("container {} has no healthcheck configured", name));
    }
    const std::string health = state.at("Health").value("Status", "");
    if (health == "unhealthy") {
        throw InputError(
            fmt::format("dependency failed to start: container {} is unhealthy", name));
    }
    return health == "healthy";
}

/// Blocks until all that the service depends on is as it wants it.
void await_dependencies(const cli::Engine& engine, const Project& project, const Service& service,
                        const std::function<void()>& check_interrupted) {
    constexpr useconds_t kPauseMicroseconds = 100'000;
    for (const auto& [name, dependency] : service.dependencies) {
        if (dependency.condition == "service_started") {
            continue;
        }
        const Service& other = project.service(name);
        try {
            for (int number = 1; number <= other.replicas; ++number) {
                const std::string path =
                    path_of({"containers", container_name(project, other, number), "json"});
                while (!is_met(engine.get(path), dependency.condition)) {
                    check_interrupted();
                    ::usleep(kPauseMicroseconds);
                }
            }
        } catch (const InputError&) {
            if (dependency.required) {
                throw;
            }
        }
    }
}

}  // namespace

void create_volumes(const cli::Engine& engine, const Project& project) {
    for (const ProjectVolume& volume : project.volumes) {
        const std::string name = volume_name(project, volume);
        if (volume.external) {
            try {
                static_cast<void>(engine.get(path_of({"volumes", name})));
            } catch (const cli::EngineError&) {
                throw InputError(fmt::format("external volume \"{}\" not found", name));
            }
            continue;
        }
        json labels = volume.labels;
        labels["com.docker.compose.project"] = project.name;
        labels["com.docker.compose.volume"] = volume.key;
        const json body = {{"Name", name},
                           {"Driver", volume.driver},
                           {"DriverOpts", volume.driver_options},
                           {"Labels", labels}};
        engine.post("/volumes/create", {}, body.dump());
    }
}

void remove_volumes(const cli::Engine& engine, const std::string& project_name) {
    const json filters = {{"label", {{"com.docker.compose.project=" + project_name, true}}}};
    const json found = engine.get("/volumes", {{"filters", filters.dump()}});
    for (const json& volume : found.at("Volumes")) {
        const auto name = volume.at("Name").get<std::string>();
        engine.remove(path_of({"volumes", name}));
        static_cast<void>(std::fprintf(stderr, " Volume %s  Removed\n", name.c_str()));
    }
}

std::vector<Existing> existing_containers(const cli::Engine& engine,
                                          const std::string& project_name) {
    const json filters = {{"label", {{"com.docker.compose.project=" + project_name, true}}}};
    std::vector<Existing> containers;
    for (const json& container :
         engine.get("/containers/json", {{"all", "1"}, {"filters", filters.dump()}})) {
        containers.push_back(existing_of(container));
    }
    std::ranges::sort(containers, {},
                      [](const Existing& c) { return std::tie(c.service, c.number); });
    return containers;
}

std::map<std::string, Wanted> prepare_images(const cli::Engine& engine, const Project& project,
                                             bool always_build) {
    std::map<std::string, Wanted> wanted;
    for (const Service& service : project.services) {
        const std::string image = image_name(project, service);
        auto id = image_id(engine, image);
        if (service.build && (always_build || !id)) {
            build(engine, service, image);
            id = image_id(engine, image);
        } else if (!id) {
            cli::pull_missing_image(engine, {.image = image});
            id = image_id(engine, image);
        }
        wanted[service.name] = {.config_hash = config_hash(project, service),
                                .image_id = id.value_or("")};
    }
    return wanted;
}

void execute(const cli::Engine& engine, const Project& project,
             const std::map<std::string, Wanted>& wanted, const std::vector<Action>& actions,
             const std::function<void()>& check_interrupted) {
    constexpr std::chrono::seconds kGrace{10};
    create_volumes(engine, project);
    Created created(engine);
    std::map<std::string, std::vector<AnonymousVolume>> left_behind;  // by name of the container
    for (const Action& action : actions) {
        check_interrupted();
        const Service& service = project.service(action.service);
        const std::string name = container_name(project, service, action.number);
        switch (action.kind) {
            case Action::Kind::Create: {
                auto spec = container_spec(project, service, action.number,
                                           wanted.at(service.name).image_id);
                take_over(left_behind[name], spec);
                const std::string id = cli::create_container(engine, spec);
                created.add(id);
                tell(name, "Created");
                await_dependencies(engine, project, service, check_interrupted);
                start(engine, id, name);
                break;
            }
            case Action::Kind::Start:
                await_dependencies(engine, project, service, check_interrupted);
                start(engine, action.id, name);
                break;
            case Action::Kind::Keep:
                tell(name, "Running");
                break;
            case Action::Kind::Remove:
                stop_one(engine, action.id, kGrace);
                left_behind[name] = anonymous_volumes(engine, action.id);
                remove_one(engine, action.id, false);
                tell(name, "Removed");
                break;
        }
    }
    check_interrupted();
    created.keep();
}

void stop_containers(const cli::Engine& engine, const std::vector<Existing>& containers,
                     std::chrono::seconds grace) {
    for (const Existing& container : containers) {
        if (container.running) {
            stop_one(engine, container.id, grace);
            tell(container.name, "Stopped");
        }
    }
}

void remove_containers(const cli::Engine& engine, const std::vector<Existing>& containers,
                       std::chrono::seconds grace, bool volumes) {
    for (const Existing& container : containers) {
        stop_containers(engine, {container}, grace);
        const auto anonymous =
            volumes ? anonymous_volumes(engine, container.id) : std::vector<AnonymousVolume>();
        remove_one(engine, container.id, volumes);
        remove_anonymous(engine, anonymous);
        tell(container.name, "Removed");
    }
}

std::vector<Existing> removal_order(const Project& project, const std::vector<Existing>& existing) {
    std::vector<Existing> ordered;
    for (const Action& action : plan_down(project, existing)) {
        ordered.push_back(*std::ranges::find(existing, action.id, &Existing::id));
    }
    return ordered;
}

}  // namespace drydock::compose
