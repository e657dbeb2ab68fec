// The book of the containers: creating, finding, listing and removing them. What starts and ends
// them is in start_stop.cpp.
#include "07-compose/engine/engine.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "05-images/base_image.hpp"
#include "05-images/runtime_config.hpp"
#include "07-compose/engine/engine_error.hpp"
#include "07-compose/engine/names.hpp"
#include "07-compose/network/etc_files.hpp"

#include "engine/entry.hpp"
#include "engine/exec_entry.hpp"
#include "engine/image_defaults.hpp"
#include "engine/swap_limit.hpp"

namespace drydock {
namespace {

bool is_hex(std::string_view text) {
    return std::ranges::all_of(
        text, [](unsigned char c) { return std::isdigit(c) != 0 || (c >= 'a' && c <= 'f'); });
}

EngineOptions checked(EngineOptions options) {
    options.data_root = std::filesystem::absolute(options.data_root);
    options.run_root = std::filesystem::absolute(options.run_root);
    return options;
}

}  // namespace

Engine::Engine(EngineOptions options)
    : options_(checked(std::move(options))),
      lock_(lock_data_root(options_.data_root)),
      images_(options_.data_root),
      store_(options_.data_root),
      networks_({.data_root = options_.data_root,
                 .run_root = options_.run_root,
                 .use_nat = options_.use_nat,
                 .ports_elsewhere = static_cast<bool>(options_.bind_port),
                 .bind = options_.bind_port ? options_.bind_port : bind_here}),
      volumes_(options_.data_root),
      stopping_(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd(0, EFD_CLOEXEC)")) {
    std::filesystem::create_directories(runtime_root());
    ensure_base_image(images_);
    watcher_ = std::make_unique<ExitWatcher>([this](const std::string& id) { on_exit(id); });
    for (Container& container : store_.load(images_)) {
        take_up(std::move(container));
    }
    networks_.reassert();
    timers_ = std::make_unique<Timers>();
    apply_restart_policies();
}

Engine::~Engine() {
    // The threads first: what they call uses all the rest.
    timers_.reset();
    watcher_.reset();
    for (const auto& [id, one] : entries_) {
        one->health_watch.reset();
    }
}

void Engine::tell(const Container& container, std::string action,
                  std::map<std::string, std::string> attributes) {
    attributes.insert(container.config.labels.begin(), container.config.labels.end());
    attributes["image"] = container.config.image;
    attributes["name"] = container.name;
    events_.publish({.type = "container",
                     .action = std::move(action),
                     .id = container.id,
                     .attributes = std::move(attributes)});
}

std::string Engine::create(ContainerConfig config, const std::string& name) {
    const auto image = images_.find(config.image);
    if (!image) {
        throw EngineError(Refusal::NotFound, "No such image: " + shown_image_name(config.image));
    }
    auto fresh = std::make_shared<Entry>();
    Container& container = fresh->container;
    container.id = new_container_id();
    container.created = now();
    {
        const std::lock_guard lock(mutex_);
        container.name =
            name.empty()
                ? new_container_name([&](const std::string& one) { return names_.contains(one); })
                : checked_container_name(name);
        reserve_name(container.name, container.id);
    }
    try {
        container.config =
            with_image_defaults(std::move(config), *image, images_.config(*image), container.id);
        limit_swap_by_memory(container.config.limits);
        prepare_isolation(container.config);
        take_mounts(container.config, *image);
        prepare_network(container.config);
        make_bundle(images_, *image, bundle_options(container), store_.directory(container.id),
                    container.id);
        make_etc_files(store_.directory(container.id));
        // The log is there from the beginning: who attaches before the start opens it.
        open_file(store_.log_file(container.id), O_WRONLY | O_CREAT, 0600).close();
        store_.save(container);
    } catch (...) {
        remove_bundle(images_, store_.directory(container.id), container.id);
        reserve_volumes(container.config.mounts, false);
        remove_anonymous_volumes(container.config.mounts);
        const std::lock_guard lock(mutex_);
        names_.erase(container.name);
        throw;
    }
    {
        const std::lock_guard lock(mutex_);
        entries_[container.id] = fresh;
        tell(container, "create");
    }
    reserve_volumes(container.config.mounts, false);
    return container.id;
}

void Engine::reserve_name(const std::string& name, const std::string& id) {
    const auto [found, is_new] = names_.try_emplace(name, id);
    if (!is_new) {
        throw EngineError(
            Refusal::Conflict,
            fmt::format(
                R"(Conflict. The container name "/{}" is already in use by container "{}". You have to remove )"
                "(or rename) that container to be able to reuse that name.",
                name, found->second));
    }
}

void Engine::rename(std::string_view name, const std::string& new_name) {
    const EntryPtr one = entry(name);
    const std::string checked_name = checked_container_name(new_name);
    const std::lock_guard lock(mutex_);
    reserve_name(checked_name, one->container.id);
    Container renamed = one->container;
    renamed.name = checked_name;
    try {
        store_.save(renamed);
    } catch (...) {
        names_.erase(checked_name);
        throw;
    }
    names_.erase(one->container.name);
    networks_.renamed(one->container.id, one->container.name, checked_name);
    const std::string old_name = std::exchange(one->container.name, checked_name);
    tell(one->container, "rename", {{"oldName", "/" + old_name}});
}

Engine::EntryPtr Engine::entry(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    std::string key(name.starts_with('/') ? name.substr(1) : name);
    if (const auto found = entries_.find(key); found != entries_.end()) {
        return found->second;
    }
    if (const auto named = names_.find(key); named != names_.end()) {
        if (const auto found = entries_.find(named->second); found != entries_.end()) {
            return found->second;
        }
    }
    const auto first = entries_.lower_bound(key);
    if (!key.empty() && is_hex(key) && first != entries_.end() && first->first.starts_with(key)) {
        if (const auto second = std::next(first);
            second != entries_.end() && second->first.starts_with(key)) {
            throw EngineError(Refusal::BadRequest,
                              fmt::format("Multiple IDs found with provided prefix: {}", key));
        }
        return first->second;
    }
    throw EngineError(Refusal::NotFound, fmt::format("No such container: {}", name));
}

Container Engine::find(std::string_view name) const {
    const EntryPtr one = entry(name);
    const std::lock_guard lock(mutex_);
    return one->container;
}

std::shared_ptr<KeptFiles> Engine::keep_files(std::string_view name) const {
    const EntryPtr one = entry(name);
    const std::lock_guard lock(mutex_);
    if (!one->files) {
        throw EngineError(Refusal::NotFound, fmt::format("No such container: {}", name));
    }
    return one->files;
}

std::vector<Container> Engine::list() const {
    std::vector<Container> containers;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, one] : entries_) {
            containers.push_back(one->container);
        }
    }
    std::ranges::sort(containers, std::ranges::greater{}, &Container::created);
    return containers;
}

EngineCounts Engine::counts() const {
    const std::lock_guard lock(mutex_);
    EngineCounts counts;
    for (const auto& [id, one] : entries_) {
        const ContainerStatus& state = one->container.state;
        ++(!is_up(state) ? counts.stopped : state.paused ? counts.paused : counts.running);
    }
    return counts;
}

void Engine::remove(std::string_view name, bool force, bool volumes) {
    const EntryPtr one = entry(name);
    const std::string& id = one->container.id;
    if (force && !give_up_restart(one) && is_up(find(id).state)) {
        signal(one, SIGKILL);
        await_end(one, std::nullopt);
    }
    const std::lock_guard operation(one->operation);
    {
        const std::lock_guard lock(mutex_);
        if (one->removed) {
            // An --rm container that was killed just above is gone by itself.
            if (force) {
                return;
            }
            throw EngineError(Refusal::NotFound, fmt::format("No such container: {}", name));
        }
        if (const ContainerStatus& state = one->container.state; is_up(state)) {
            throw EngineError(Refusal::Conflict,
                              fmt::format("You cannot remove a {} container {}. {} the container "
                                          "before attempting removal or force remove",
                                          state_name(state), id,
                                          state.paused ? "Unpause and then stop" : "Stop"));
        }
    }
    discard(one, volumes);
}

void Engine::discard(const EntryPtr& one, bool volumes) {
    const std::string id = one->container.id;
    std::shared_ptr<KeptFiles> files;
    {
        const std::lock_guard lock(mutex_);
        files = std::move(one->files);
    }
    store_.remove(id, std::move(files));
    images_.snapshots().remove(id);
    {
        const std::lock_guard lock(mutex_);
        one->removed = true;
    }
    if (volumes) {
        remove_anonymous_volumes(one->container.config.mounts);
    }
    const std::lock_guard lock(mutex_);
    one->attachments.clear();
    std::erase_if(execs_, [&](const auto& exec) { return exec.second->record.container_id == id; });
    names_.erase(one->container.name);
    entries_.erase(id);
    tell(one->container, "destroy");
    release(*one, WaitCondition::Removed);
}

std::shared_ptr<Waiter> Engine::wait(std::string_view name, WaitCondition condition) {
    return add_waiter(entry(name), condition);
}

std::shared_ptr<Waiter> Engine::add_waiter(const EntryPtr& one, WaitCondition condition) {
    auto waiter = std::make_shared<Waiter>();
    waiter->condition = condition;
    waiter->event =
        UniqueFd(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd(0, EFD_CLOEXEC)"));
    const std::lock_guard lock(mutex_);
    one->waiters.push_back(waiter);
    if (one->removed) {
        release(*one, WaitCondition::Removed);
    } else if (!is_up(one->container.state) && condition == WaitCondition::NotRunning) {
        release(*one, WaitCondition::NotRunning);
    }
    return waiter;
}

void Engine::release(Entry& one, WaitCondition least) {
    std::erase_if(one.waiters, [&](const std::weak_ptr<Waiter>& held) {
        const auto waiter = held.lock();
        if (waiter && waiter->condition <= least) {
            waiter->exit_code = one.container.state.exit_code;
            waiter->error = one.container.state.error;
            ::eventfd_write(waiter->event.get(), 1);
        }
        return !waiter || waiter->condition <= least;
    });
}

void Engine::save_state(const EntryPtr& one) const {
    store_.save_state(one->container);
}

}  // namespace drydock
