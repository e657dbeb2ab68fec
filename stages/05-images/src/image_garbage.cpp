#include "05-images/image_garbage.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/chain_id.hpp"
#include "05-images/manifest.hpp"

#include "build_cache.hpp"
#include "store_alone.hpp"

namespace drydock {
namespace {

UniqueFd open_lease(const ImageStore& store) {
    return open_file(store.data_root() / "lease.lock", O_RDWR | O_CREAT, 0600);
}

/// What must stay.
struct Marked {
    std::set<Digest> blobs{};
    std::set<Digest> chains{};

    void image(const ImageStore& store, const Digest& manifest) {
        blobs.insert(manifest);
        if (!store.content().contains(manifest)) {
            return;
        }
        const std::string text = store.content().read(manifest, kMaxManifestSize);
        if (looks_like_index(text, "manifest")) {
            for (const oci::Descriptor& child : parse_index(text, "", "index").manifests) {
                image(store, child.digest);
            }
            return;
        }
        const oci::Manifest parsed = parse_manifest(text, "", "manifest");
        blobs.insert(parsed.config.digest);
        for (const oci::Descriptor& layer : parsed.layers) {
            blobs.insert(layer.digest);
        }
        if (store.content().contains(parsed.config.digest)) {
            config(store.content().read(parsed.config.digest, kMaxConfigSize));
        }
    }
    void config(const std::string& text) {
        for (const Digest& chain : chain_ids(parse_image_config(text, "config").diff_ids)) {
            chains.insert(chain);
        }
    }
};

Marked mark(ImageStore& store, const BuildCache& cache) {
    Marked marked;
    const auto index = nlohmann::json::parse(store.content().read_index());
    for (const auto& entry : index.at("manifests")) {
        marked.image(store, parse_digest(entry.at("digest").get<std::string>(), "index.json"));
    }
    std::set<std::filesystem::path> mounted;  // or may be, by containers
    for (const std::string& key : store.snapshots().list_active()) {
        const std::string options = store.snapshots().active(key).overlay.data;
        std::string_view lowers = std::string_view(options).substr(0, options.find(','));
        lowers.remove_prefix(std::min(lowers.find('=') + 1, lowers.size()));
        while (!lowers.empty()) {
            const std::size_t end = std::min(lowers.find(':'), lowers.size());
            mounted.emplace(lowers.substr(0, end));
            lowers.remove_prefix(std::min(end + 1, lowers.size()));
        }
    }
    for (const Digest& chain : store.snapshots().list()) {
        if (mounted.contains(store.snapshots().layer_directory(chain))) {
            marked.chains.insert(chain);
        }
    }
    for (const CachedStep& step : cache.list()) {
        marked.config(step.config);
        if (step.layer) {
            marked.blobs.insert(step.layer->digest);
        }
    }
    return marked;
}

/// By the time of the last change, which is when it got its name.
bool is_older(const std::filesystem::path& path, std::chrono::seconds grace, std::uint64_t* size) {
    struct ::stat status{};
    if (::lstat(path.c_str(), &status) == -1) {
        return false;
    }
    if (size != nullptr) {
        *size = static_cast<std::uint64_t>(status.st_size);
    }
    return status.st_ctim.tv_sec + grace.count() <= std::time(nullptr);
}

}  // namespace

StoreLease::StoreLease(const ImageStore& store) : lock_(open_lease(store)) {
    while (::flock(lock_.get(), LOCK_SH) == -1) {
        if (errno != EINTR) {
            check(-1, "flock(lease.lock, LOCK_SH)");
        }
    }
}

StoreAlone::StoreAlone(const ImageStore& store) : lock_(open_lease(store)) {
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == -1) {
        throw InputError("a build or a pull is under way; try again when it has ended");
    }
}

// [region: collect-garbage]
Garbage collect_garbage(ImageStore& store, const GarbageOptions& options) {
    const StoreAlone alone(store);
    Garbage garbage;
    const BuildCache cache(store.data_root());
    if (options.build_cache) {
        garbage.steps = cache.clear();
        remove_tree(store.data_root() / "build-cache/mounts");
    }
    const Marked marked = mark(store, cache);
    for (const Digest& chain : store.snapshots().list()) {
        if (!marked.chains.contains(chain) &&
            is_older(store.snapshots().layer_directory(chain), options.grace, nullptr)) {
            store.snapshots().remove_layer(chain);
            garbage.layers.push_back(chain);
        }
    }
    for (const Digest& blob : store.content().list()) {
        std::uint64_t size = 0;
        if (!marked.blobs.contains(blob) &&
            is_older(store.content().path_of(blob), options.grace, &size)) {
            store.content().remove(blob);
            garbage.blobs.push_back(blob);
            garbage.bytes += size;
        }
    }
    return garbage;
}
// [/region]

}  // namespace drydock
