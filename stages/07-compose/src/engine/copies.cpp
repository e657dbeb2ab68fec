// What is taken out of a container, and made of it: its files, its changes, an image.
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/tar_create.hpp"
#include "05-images/image_changes.hpp"
#include "05-images/reference.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "engine/entry.hpp"
#include "engine/held_root.hpp"
#include "engine/volume_parts.hpp"

namespace drydock {
namespace {

bool has_ended(int pidfd) {
    pollfd event{pidfd, POLLIN, 0};
    return ::poll(&event, 1, 0) != 0;
}

bool is_below(const std::string& path, const std::string& directory) {
    return path == directory || path.starts_with(directory + "/");
}

/// The settings of an image that is made of the container.
oci::ExecutionConfig settings_of(const ContainerConfig& config, oci::ExecutionConfig of_image) {
    of_image.user = config.user;
    of_image.env = config.env;
    of_image.entrypoint = config.entrypoint;
    of_image.cmd = config.cmd;
    of_image.working_dir = config.working_dir;
    of_image.labels = config.labels;
    of_image.stop_signal = config.stop_signal;
    of_image.exposed_ports.insert(config.exposed_ports.begin(), config.exposed_ports.end());
    of_image.healthcheck = config.healthcheck;
    return of_image;
}

}  // namespace

void Engine::with_root(std::string_view name, const std::function<void(int)>& use) {
    const EntryPtr one = entry(name);
    std::unique_lock operation(one->operation);
    UniqueFd root;
    {
        const std::lock_guard lock(mutex_);
        if (one->removed) {
            throw EngineError(Refusal::NotFound, fmt::format("No such container: {}", name));
        }
        if (one->pidfd) {
            root = UniqueFd(::open(fmt::format("/proc/{}/root", one->container.state.pid).c_str(),
                                   O_PATH | O_DIRECTORY | O_CLOEXEC));
            // The pid was ours then: a process that has not ended keeps it.
            if (!root || has_ended(one->pidfd.get())) {
                throw EngineError(
                    Refusal::Conflict,
                    fmt::format("Container {} is ending, try again", one->container.id));
            }
        }
    }
    if (root) {
        operation.unlock();
        use(root.get());
        return;
    }
    const VolumeParts parts(one->container.config.mounts, shared_place(one->container.id));
    const HeldRoot held(store_.directory(one->container.id));
    use(held.get());
}

void Engine::tell_of(std::string_view name, const std::string& action) {
    tell(find(name), action);
}

std::vector<Change> Engine::changes(std::string_view name) const {
    const Container container = find(name);
    const ActiveSnapshot snapshot = images_.snapshots().active(container.id);
    auto found = changes_in(snapshot.upper, lowers_of(snapshot.overlay));
    std::erase_if(found, [&](const Change& change) {
        // Ours are bound over these (network/etc_files.hpp).
        return change.path == "/etc/hosts" || change.path == "/etc/hostname" ||
               change.path == "/etc/resolv.conf" ||
               std::ranges::any_of(container.config.mounts, [&](const MountPoint& mount) {
                   return is_below(change.path, mount.destination);
               });
    });
    return found;
}

std::string Engine::commit(std::string_view name, const CommitRequest& request) {
    const Container container = find(name);
    const auto reference =
        request.name.empty() ? std::nullopt : std::optional(parse_reference(request.name));
    const auto image = images_.find(container.config.image_id);
    if (!image) {
        throw EngineError(Refusal::NotFound, "No such image: " + container.config.image_id);
    }
    oci::ImageConfig config = images_.config(*image);
    config.config = settings_of(container.config, std::move(config.config));
    apply_changes(config.config, request.changes);
    std::vector<oci::Descriptor> layers = images_.manifest(*image).layers;
    const bool pauses =
        request.pause && container.state.status == Status::Running && !container.state.paused;
    if (pauses) {
        pause(container.id);
    }
    LayerBlob layer;
    try {
        const UniqueFd upper =
            open_file(images_.snapshots().active(container.id).upper, O_RDONLY | O_DIRECTORY);
        layer = create_layer(images_.content(), upper.get());
    } catch (...) {
        if (pauses) {
            thaw(entry(container.id));
        }
        throw;
    }
    if (pauses) {
        thaw(entry(container.id));
    }
    layers.push_back({.media_type = layer.media_type, .digest = layer.digest, .size = layer.size});
    config.diff_ids.push_back(layer.diff_id);
    config.created = to_text(now());
    config.author = request.author;
    config.history.push_back(
        {.created = config.created,
         .created_by = fmt::format("{}", fmt::join(command_line(container.config), " ")),
         .author = request.author,
         .comment = request.comment});
    const Image made = images_.put_image(config, layers, reference);
    tell(container, "commit",
         {{"comment", request.comment},
          {"imageID", made.id.text()},
          {"imageRef", reference ? familiar(*reference) : ""}});
    return made.id.text();
}

}  // namespace drydock
