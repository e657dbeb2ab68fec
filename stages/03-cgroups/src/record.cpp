#include "03-cgroups/record.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/cgroup.hpp"

namespace fs = std::filesystem;

namespace drydock {

ContainerLock::ContainerLock(const fs::path& root, const std::string& id) {
    check_container_id(id);
    const fs::path path = root / id;
    directory_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory_ && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) {
        throw_no_container(root, id);
    }
    check(directory_.get(), "open({})", path.native());
    int rc = -1;
    do {
        rc = ::flock(directory_.get(), LOCK_EX);
    } while (rc == -1 && errno == EINTR);
    check(rc, "flock({}, LOCK_EX)", path.native());
    struct stat status{};
    check(::fstat(directory_.get(), &status), "fstat({})", path.native());
    if (status.st_nlink == 0) {  // who had it before us removed it
        throw_no_container(root, id);
    }
}

ContainerLock::~ContainerLock() {
    if (directory_) {
        ::flock(directory_.get(), LOCK_UN);
    }
}

ContainerLock::ContainerLock(ContainerLock&& other) noexcept
    : directory_(std::move(other.directory_)) {}

ContainerLock& ContainerLock::operator=(ContainerLock&& other) noexcept {
    std::swap(directory_, other.directory_);
    return *this;
}

Record::Record(const fs::path& root, const NewContainer& container)
    : entry_(root, container.id),
      lock_(root, container.id),
      state_{.id = container.id,
             .bundle = container.bundle,
             .keeper = identify(::getpid()).value_or(ProcessIdentity()),
             .boot_id = this_boot_id(),
             .cgroup = {.path = cgroup_place_path(container.cgroup_path)},
             .created = timestamp(),
             .rootfs = container.rootfs,
             .annotations = container.annotations} {
    entry_.save(state_);
    if (!container.config.empty()) {
        const UniqueFd copy =
            open_at(lock_.directory(), "config.json", O_WRONLY | O_CREAT | O_EXCL, 0600);
        write_all(copy.get(), container.config, "config.json of the state");
    }
}

Record::Record(const fs::path& root, const std::string& id, const fs::path& bundle,
               const std::string& cgroup_path)
    : Record(root, {.id = id, .bundle = bundle, .cgroup_path = cgroup_path}) {}

void Record::note(stage03::Running& running) {
    state_.init = identify(running.child().pid()).value_or(ProcessIdentity());
    if (running.cgroup()) {
        state_.cgroup = running.cgroup().place();
    }
}

void Record::running(stage03::Running& running) {
    note(running);
    entry_.save(state_);
    unlock();
}

void Record::created(stage03::Running& running) {
    note(running);
    state_.keeper = {};
    entry_.save(state_);
}

std::string cgroup_place_path(const std::string& cgroup_path) {
    return cgroup_path.starts_with("/") ? cgroup_path.substr(1) : "drydock/" + cgroup_path;
}

void write_pid_file(const fs::path& file, pid_t pid) {
    if (!file.empty()) {
        const fs::path directory = file.has_parent_path() ? file.parent_path() : ".";
        replace_file(open_file(directory, O_RDONLY | O_DIRECTORY).get(), file.filename(),
                     std::to_string(pid), 0644, Lasts::Kill);
    }
}

std::string state_json(const ContainerState& state, std::string_view status) {
    const std::string_view now = status.empty() ? full_status(state) : status;
    nlohmann::ordered_json json = {{"ociVersion", kOciVersion}, {"id", state.id}, {"status", now}};
    json["pid"] = now == "stopped" ? 0 : state.init.pid;
    json["bundle"] = state.bundle.native();
    json["rootfs"] = state.rootfs.native();
    json["created"] = state.created;
    json["owner"] = "";
    json["annotations"] = state.annotations;
    return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string keyring_name(const std::string& id) {
    return "_ses." + id;
}

std::string_view full_status(const ContainerState& state) {
    const std::string_view status = status_of(state);
    if (status != "running") {
        return status;
    }
    Cgroup cgroup = open_cgroup(state.cgroup);
    const bool paused = cgroup.frozen();
    cgroup.release();  // its owner would end the container
    return paused ? "paused" : status;
}

}  // namespace drydock
