// system df: what lies on the disk.
#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/image_fsck.hpp"
#include "05-images/image_garbage.hpp"
#include "07-compose/api/routes.hpp"

#include "api/container_json.hpp"
#include "api/image_json.hpp"
#include "api/volume_json.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

json images_on_disk(Call& call, const std::vector<Container>& containers) {
    const ImageStore& store = call.engine.images();
    json list = json::array();
    for (const Image& image : store.list()) {
        json one = list_json(image, store, call.version);
        int users = 0;
        for (const Container& container : containers) {
            users += container.config.image_id == image.id.text() ? 1 : 0;
        }
        one["Containers"] = users;
        one["SharedSize"] = 0;
        list.push_back(std::move(one));
    }
    return list;
}

json containers_on_disk(Call& call, const std::vector<Container>& containers) {
    json list = json::array();
    for (const Container& container : containers) {
        json one = list_json(container, call.engine);
        one["SizeRw"] = disk_usage(call.engine.images().snapshots().active(container.id).upper);
        one["SizeRootFs"] = one["SizeRw"];
        list.push_back(std::move(one));
    }
    return list;
}

json volumes_on_disk(Call& call) {
    json list = json::array();
    for (const Volume& volume : call.engine.volumes()) {
        json one = volume_json(volume);
        one["UsageData"] = {{"Size", disk_usage(volume.directory)},
                            {"RefCount", call.engine.users_of_volume(volume.name).size()}};
        list.push_back(std::move(one));
    }
    return list;
}

void disk_use(Call& call) {
    const auto types = call.parameters("type");
    const auto wanted = [&](const char* type) {
        return types.empty() || std::ranges::find(types, type) != types.end();
    };
    const std::vector<Container> containers = call.engine.list();
    json answer = {{"LayersSize", 0},    {"Images", nullptr},           {"Containers", nullptr},
                   {"Volumes", nullptr}, {"BuildCache", json::array()}, {"BuilderSize", 0}};
    if (wanted("image")) {
        std::uint64_t bytes = 0;
        for (const Image& image : call.engine.images().list()) {
            bytes += image.size;
        }
        answer["LayersSize"] = bytes;
        answer["Images"] = images_on_disk(call, containers);
    }
    if (wanted("container")) {
        answer["Containers"] = containers_on_disk(call, containers);
    }
    if (wanted("volume")) {
        answer["Volumes"] = volumes_on_disk(call);
    }
    respond_json(call, 200, answer);
}

void prune_builds(Call& call) {
    json deleted;  // null, as docker has it for none
    std::uint64_t bytes = 0;
    try {
        const Garbage garbage = collect_garbage(call.engine.images(), {.build_cache = true});
        bytes = garbage.bytes;
        for (const Digest& blob : garbage.blobs) {
            deleted.push_back(blob.text());
        }
    } catch (const InputError&) {  // NOLINT(bugprone-empty-catch)
        // A build or a pull is under way: what it needs cannot be told from what nobody needs.
    }
    respond_json(call, 200, {{"CachesDeleted", deleted}, {"SpaceReclaimed", bytes}});
}

/// Drydock's own. It reads every blob, so it takes a while.
void fsck(Call& call) {
    const FsckReport report =
        check_store(call.engine.images(), {.repair = call.flag("repair"), .progress = [&](auto) {
                                               if (call.http.client_gone()) {
                                                   throw ClientGone("the client has gone");
                                               }
                                           }});
    json faults = json::array();
    for (const StoreFault& fault : report.faults) {
        faults.push_back({{"Text", fault.text}, {"Repaired", fault.repaired}});
    }
    respond_json(call, 200, {{"Faults", faults}, {"Text", fsck_text(report)}});
}

constexpr std::array kDiskRoutes = std::to_array<Route>({
    {"GET", "/system/df", disk_use},
    {"POST", "/build/prune", prune_builds},
    {"POST", "/drydock/fsck", fsck},
});

}  // namespace

std::span<const Route> disk_routes() {
    return kDiskRoutes;
}

}  // namespace drydock::api
