#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "03-cgroups/shim_client.hpp"
#include "03-cgroups/shim_zygote.hpp"
#include "05-images/image_store.hpp"
#include "05-images/runtime_config.hpp"
#include "07-compose/engine/changes.hpp"
#include "07-compose/engine/container.hpp"
#include "07-compose/engine/container_store.hpp"
#include "07-compose/engine/events.hpp"
#include "07-compose/engine/exec_record.hpp"
#include "07-compose/engine/exit_watcher.hpp"
#include "07-compose/engine/jobs.hpp"
#include "07-compose/engine/timers.hpp"
#include "07-compose/engine/usage.hpp"
#include "07-compose/engine/volume_store.hpp"
#include "07-compose/engine/waiter.hpp"
#include "07-compose/network/networks.hpp"

namespace drydock {

struct EngineOptions {
    std::filesystem::path data_root{};
    std::filesystem::path run_root{};
    bool use_nat = true;             ///< of the kernel, for containers' networks
    unsigned downloads_at_once = 0;  ///< layers of a pull; 0: as TransferOptions says
    unsigned uploads_at_once = 0;    ///< layers of a push
    BindPort bind_port{};  ///< how ports outside of our network namespace are taken; none: there
                           ///< are none
};

/// What stop() does when the container goes on after the signal.
struct StopRequest {
    std::optional<std::string> signal{};  ///< nothing: the container's own stop signal
    std::optional<std::chrono::seconds>
        grace{};  ///< nothing: the container's own, else 10 s; negative: no end
};

struct EngineCounts {
    std::size_t running = 0;  ///< the paused ones are not among them
    std::size_t paused = 0;
    std::size_t stopped = 0;
};

/// Every container of one data root, from creation to removal. For any number of threads; each call
/// does what it says whether its client is still there or not.
///
/// `name` below is an ID, a name (a leading "/" does not matter), or the beginning of exactly one
/// ID. All throw EngineError NotFound "No such container: x", BadRequest when the beginning fits
/// several.
class Engine {
  public:
    /// Opens the data root, and takes up what an earlier daemon left: a running container stays
    /// one, a dead one is exited with the code its shim noted, one that was to be removed at its
    /// end is removed. Those that their restart policy wants are started soon afterwards.
    /// @throws InputError when another process has the data root
    explicit Engine(EngineOptions options);
    /// Containers go on.
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    Engine(Engine&&) = delete;
    Engine& operator=(Engine&&) = delete;

    [[nodiscard]] const EngineOptions& options() const noexcept { return options_; }
    [[nodiscard]] ImageStore& images() noexcept { return images_; }
    [[nodiscard]] Jobs& jobs() noexcept { return jobs_; }
    [[nodiscard]] Networks& networks() noexcept { return networks_; }
    [[nodiscard]] const Networks& networks() const noexcept { return networks_; }
    [[nodiscard]] Events& events() noexcept { return events_; }
    [[nodiscard]] const ContainerStore& store() const noexcept { return store_; }
    /// Where the runtime keeps its state, for builds too.
    [[nodiscard]] std::filesystem::path runtime_root() const {
        return options_.run_root / "runtime";
    }

    /// Makes a container of the image `config.image`, whose settings fill what config leaves empty.
    /// @param name "" for one of ours
    /// @return its ID
    /// @throws EngineError NotFound "No such image: x:latest"; Conflict in docker's words when the
    /// name is in use
    std::string create(ContainerConfig config, const std::string& name);
    /// Returns when the command runs.
    /// @throws EngineError NotModified when it does already; SetupError with docker's words for a
    /// command that is not
    ///         there; the container is "created" then with that exit code, or gone if it was to be
    ///         removed at its end
    void start(std::string_view name);
    /// Returns when it has ended.
    /// @throws EngineError NotModified when it does not run
    void stop(std::string_view name, const StopRequest& request);
    /// stop() if it runs, and start().
    void restart(std::string_view name, const StopRequest& request);
    /// @throws EngineError Conflict "Container x is not running"; InputError for no signal
    void kill(std::string_view name, std::string_view signal);
    /// Removes it and all it had.
    /// @param volumes also its anonymous volumes
    /// @throws EngineError Conflict when it runs and `force` is false
    void remove(std::string_view name, bool force, bool volumes = false);
    /// No process of it runs until unpause(). @throws EngineError Conflict
    void pause(std::string_view name);
    /// @throws EngineError Conflict when it is not paused
    void unpause(std::string_view name);
    /// Sets those of the limits that are given, now if it runs, and for all starts to come.
    /// @param restart nothing: as it was
    /// @throws InputError for what the kernel, or the other limits, do not allow
    void update(std::string_view name, const Limits& limits,
                const std::optional<RestartPolicy>& restart);
    /// What it has used so far; nothing when it does not run.
    [[nodiscard]] std::optional<ContainerUsage> usage(std::string_view name) const;
    /// Its processes as ps(1) shows them. @param arguments of ps; "": -ef
    /// @throws EngineError Conflict when it does not run
    [[nodiscard]] ProcessList top(std::string_view name, const std::string& arguments);
    /// Gives `use` the container's "/" as its processes see it, volumes included; of one that does
    /// not run, as it would be after a start, which is held off meanwhile.
    void with_root(std::string_view name, const std::function<void(int)>& use);
    /// What differs from its image.
    [[nodiscard]] std::vector<Change> changes(std::string_view name) const;
    /// Makes an image of its image and what differs from it.
    /// @return the image's ID
    std::string commit(std::string_view name, const CommitRequest& request);
    /// "create", "connect"…: what happened to a network. @param container "" when none is concerned
    void tell_of_network(const Network& network, const std::string& action,
                         const std::string& container = "");
    /// "copy", "export"…: what the API did by with_root().
    void tell_of(std::string_view name, const std::string& action);
    /// @throws EngineError Conflict when the name is in use
    void rename(std::string_view name, const std::string& new_name);

    /// Gives the client what the container writes from now on, and its input if it takes any; of
    /// one that does not run, from its next start on. Its socket is closed when the container has
    /// ended, or was removed.
    /// @param client called once no start can come between: answers the client, and says who it is
    void attach(std::string_view name, const std::function<Attachment()>& client);
    /// Sets the size of its terminal. @throws EngineError Conflict; InputError without a terminal
    void resize(std::string_view name, unsigned rows, unsigned columns);

    /// @return the exec's ID. @throws EngineError Conflict "Container x is not running"
    std::string create_exec(std::string_view name, ExecSpec spec);
    /// Starts it. What cannot be run is an exec that has ended with 126 or 127.
    /// @param attachment called once nothing stands in the way: who is to see it, or nobody
    /// @throws EngineError NotFound; Conflict when it was started before
    void start_exec(const std::string& id,
                    const std::function<std::optional<Attachment>()>& attachment);
    [[nodiscard]] ExecRecord find_exec(const std::string& id) const;
    void resize_exec(const std::string& id, unsigned rows, unsigned columns);

    /// The container has one network more, at once when it runs, and from its next start on.
    /// @throws EngineError Forbidden when it is in that network, or has none of its own
    void connect(std::string_view container, std::string_view network,
                 const EndpointSettings& settings);
    /// @throws EngineError Forbidden when it is not in that network, unless `force` is true
    void disconnect(std::string_view container, std::string_view network, bool force);
    /// The volume of that name, made if it is not there. @param name "" for a new anonymous one
    Volume create_volume(const std::string& name, std::map<std::string, std::string> labels,
                         std::map<std::string, std::string> options);
    /// @throws EngineError NotFound "get x: no such volume"
    [[nodiscard]] Volume find_volume(const std::string& name) const;
    [[nodiscard]] std::vector<Volume> volumes() const { return volumes_.list(); }
    /// @throws EngineError NotFound; Conflict when a container uses it
    void remove_volume(const std::string& name);
    /// The IDs of the containers, running or not, that have the volume.
    [[nodiscard]] std::vector<std::string> users_of_volume(const std::string& name) const;

    /// Registers somebody who waits; never blocks.
    [[nodiscard]] std::shared_ptr<Waiter> wait(std::string_view name, WaitCondition condition);

    /// Its files, the log among them, can be read as long as this is held, also when it is removed.
    [[nodiscard]] std::shared_ptr<KeptFiles> keep_files(std::string_view name) const;
    /// As it is now.
    [[nodiscard]] Container find(std::string_view name) const;
    /// All of them, the newest first.
    [[nodiscard]] std::vector<Container> list() const;
    [[nodiscard]] EngineCounts counts() const;

    /// Makes every call that waits for a container return; to be called before the threads that
    /// make them are joined.
    void stop_waiting();
    [[nodiscard]] bool waiting_ended() const;

  private:
    struct Entry;
    using EntryPtr = std::shared_ptr<Entry>;
    struct Exec;

    [[nodiscard]] std::shared_ptr<Exec> exec(const std::string& id) const;
    void forget_old_execs();

    [[nodiscard]] EntryPtr entry(std::string_view name) const;
    std::shared_ptr<Waiter> add_waiter(const EntryPtr& entry, WaitCondition condition);
    void reserve_name(const std::string& name, const std::string& id);
    void take_up(Container container);
    void adopt(const EntryPtr& entry);
    void prepare_network(ContainerConfig& config) const;
    [[nodiscard]] ContainerOptions bundle_options(const Container& container) const;
    void start_network(const EntryPtr& entry);
    /// Where a running container keeps what others share with it, or it with others.
    [[nodiscard]] std::filesystem::path shared_place(const std::string& id) const;
    [[nodiscard]] Container find_donor(const std::string& name, const char* of_what) const;
    void prepare_isolation(ContainerConfig& config) const;
    void put_shared_namespaces(const Container& container, ContainerOptions& options) const;
    void share_namespaces(const EntryPtr& entry);
    void unshare_namespaces(const Container& container) const;
    void launch(const EntryPtr& entry, bool by_policy = false);
    void start_failed(const EntryPtr& entry, int exit_code, const std::string& error);
    void on_exit(const std::string& name);
    void on_exec_end(const std::string& id);
    /// @return whether it is to be started again, after how long
    std::optional<std::chrono::milliseconds> note_exit(const EntryPtr& entry);
    void start_later(const EntryPtr& entry, std::chrono::milliseconds delay);
    void start_again(const std::string& id, unsigned start_number);
    void apply_restart_policies();
    /// It is restarting no longer. @return whether it was
    bool give_up_restart(const EntryPtr& entry);
    void signal(const EntryPtr& entry, int number);
    void thaw(const EntryPtr& entry);
    void begin_health_watch(const EntryPtr& entry);
    void watch_health(Entry& entry, int stop);
    void note_health(Entry& entry, HealthProbe probe, const oci::Healthcheck& check,
                     bool in_start_period);
    void tell(const Container& container, std::string action,
              std::map<std::string, std::string> attributes = {});
    bool await_end(const EntryPtr& entry, std::optional<std::chrono::milliseconds> timeout);
    void discard(const EntryPtr& entry, bool volumes);
    [[nodiscard]] Container find_lender(const std::string& name) const;
    void take_mounts(ContainerConfig& config, const Image& image);
    void reserve_volumes(const std::vector<MountPoint>& mounts, bool reserve);
    void remove_anonymous_volumes(const std::vector<MountPoint>& mounts);
    void tell_of_mounts(const Container& container, const char* action);
    void tell_of_networks(const Container& container, const char* action);
    void save_state(const EntryPtr& entry) const;
    static void release(Entry& entry, WaitCondition least);

    EngineOptions options_;
    UniqueFd lock_;
    ImageStore images_;
    ContainerStore store_;
    Networks networks_;
    VolumeStore volumes_;
    Jobs jobs_{};
    Events events_{};
    ShimZygote zygote_{};
    UniqueFd stopping_;           ///< an eventfd: readable once nobody shall wait any more
    mutable std::mutex mutex_{};  ///< guards all below, and what the entries hold
    std::map<std::string, EntryPtr> entries_{};  ///< by ID
    std::map<std::string, std::string>
        names_{};  ///< the ID behind each name; "" while it is being created
    std::multiset<std::string> reserved_volumes_{};  ///< of containers that are being made
    std::map<std::string, std::shared_ptr<Exec>> execs_{};
    std::map<std::string, std::shared_ptr<Exec>> watched_execs_{};  ///< those that run
    std::unique_ptr<ExitWatcher> watcher_{};
    std::unique_ptr<Timers> timers_{};
};

}  // namespace drydock
