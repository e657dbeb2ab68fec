// What a container's bundle names and its start finds: namespaces of another container, whose
// processes (--pid container:X) or shared memory (--ipc container:X) it has, and parts of volumes.
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "engine/entry.hpp"
#include "engine/volume_parts.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSharedMemory = "shm";

void link_namespace(const fs::path& link, int pid, const char* ns) {
    std::error_code nothing;
    fs::remove(link, nothing);
    fs::create_symlink(fmt::format("/proc/{}/ns/{}", pid, ns), link);
}

void mount_shared_memory(const fs::path& place, std::int64_t bytes) {
    fs::create_directories(place);
    const std::string options = fmt::format("mode=1777,size={}", bytes);
    check(::mount("shm", place.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options.c_str()),
          "mount(source=shm, target={}, type=tmpfs)", place.native());
}

/// What a container has at /dev/shm in place of its own.
void bind_shared_memory(ContainerOptions& options, const fs::path& source) {
    if (std::ranges::find(options.mounts, "/dev/shm", &oci::Mount::destination) ==
        options.mounts.end()) {
        options.mounts.push_back({.destination = "/dev/shm",
                                  .type = "bind",
                                  .source = source,
                                  .options = {"bind", "nosuid", "noexec", "nodev"}});
    }
}

}  // namespace

fs::path Engine::shared_place(const std::string& id) const {
    return options_.run_root / "shared" / id;
}

Container Engine::find_donor(const std::string& name, const char* of_what) const {
    try {
        return find(name);
    } catch (const EngineError& e) {
        // Not 404: at the creation that would mean that the image is missing, and clients pull it.
        throw EngineError(Refusal::BadRequest,
                          fmt::format("joining {} namespace of container: {}", of_what, e.what()));
    }
}

void Engine::prepare_isolation(ContainerConfig& config) const {
    Isolation& isolation = config.isolation;
    check_isolation(isolation);
    if (const auto name = joined_container(isolation.pid_mode)) {
        isolation.pid_mode = "container:" + find_donor(*name, "PID").id;
    }
    if (const auto name = joined_container(isolation.ipc_mode)) {
        const Container donor = find_donor(*name, "IPC");
        if (donor.config.isolation.ipc_mode != "shareable") {
            throw EngineError(Refusal::BadRequest,
                              fmt::format("cannot join IPC of {}: non-shareable IPC (hint: use "
                                          "IpcMode:shareable for the donor container)",
                                          *name));
        }
        isolation.ipc_mode = "container:" + donor.id;
    }
}

void Engine::put_shared_namespaces(const Container& container, ContainerOptions& options) const {
    const Isolation& isolation = container.config.isolation;
    if (joined_container(isolation.pid_mode)) {
        options.pid_namespace = shared_place(container.id) / "pid";
    }
    if (const auto donor = joined_container(isolation.ipc_mode)) {
        options.ipc_namespace = shared_place(container.id) / "ipc";
        bind_shared_memory(options, shared_place(*donor) / kSharedMemory);
    } else if (isolation.ipc_mode == "shareable") {
        bind_shared_memory(options, shared_place(container.id) / kSharedMemory);
    }
    const std::vector<MountPoint>& mounts = container.config.mounts;
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        const auto seen =
            std::ranges::find(options.mounts, mounts[i].destination, &oci::Mount::destination);
        if (!mounts[i].subpath.empty() && seen != options.mounts.end()) {
            seen->source = volume_part_place(shared_place(container.id), i);
        }
    }
    if (!isolation.cgroup_parent.empty()) {
        options.cgroups_path = fs::path("/" + isolation.cgroup_parent) / container.id;
    }
}

void Engine::share_namespaces(const EntryPtr& one) {
    const Isolation& isolation = one->container.config.isolation;
    const fs::path place = shared_place(one->container.id);
    const auto pid_of_donor = [&](const std::string& id, const char* what) {
        const Container donor = find_donor(id, what);
        if (donor.state.pid == 0) {
            throw EngineError(
                Refusal::Conflict,
                fmt::format("cannot join {} of a non running container: {}", what, donor.id));
        }
        return donor.state.pid;
    };
    const auto pid_donor = joined_container(isolation.pid_mode);
    const auto ipc_donor = joined_container(isolation.ipc_mode);
    if (!pid_donor && !ipc_donor && isolation.ipc_mode != "shareable") {
        return;
    }
    fs::create_directories(place);
    if (pid_donor) {
        link_namespace(place / "pid", pid_of_donor(*pid_donor, "PID"), "pid");
    }
    if (ipc_donor) {
        link_namespace(place / "ipc", pid_of_donor(*ipc_donor, "IPC"), "ipc");
    }
    if (isolation.ipc_mode == "shareable") {
        unshare_namespaces(one->container);  // what a daemon that was killed may have left
        mount_shared_memory(place / kSharedMemory, isolation.shm_bytes);
    }
}

void Engine::unshare_namespaces(const Container& container) const {
    const fs::path place = shared_place(container.id);
    if (container.config.isolation.ipc_mode == "shareable") {
        // Nothing mounted there: EINVAL; never started: ENOENT.
        while (::umount2((place / kSharedMemory).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
        }
    }
    std::error_code nothing;
    for (const char* name : {"pid", "ipc", kSharedMemory}) {
        fs::remove(place / name, nothing);
    }
    fs::remove(place, nothing);
}

}  // namespace drydock
