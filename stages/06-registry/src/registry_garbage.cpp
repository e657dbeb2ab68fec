#include "06-registry/registry_garbage.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <unordered_set>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "05-images/manifest.hpp"

#include "registry_state.hpp"

namespace drydock {
namespace {

using Marks = std::unordered_set<Digest>;

/// When a blob was last sent or asked for by a push, in nanoseconds; nothing when it is not there.
std::optional<std::int64_t> last_wanted(const ContentStore& store, const Digest& digest) {
    struct stat status{};
    if (::stat(store.path_of(digest).c_str(), &status) == -1) {
        if (errno == ENOENT) {
            return std::nullopt;
        }
        check(-1, "stat({})", store.path_of(digest).native());
    }
    constexpr std::int64_t kSecond = 1'000'000'000;
    return status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec;
}

/// By the clock that files get their times from: never ahead of a file that is touched later.
std::int64_t file_clock() {
    timespec now{};
    check(::clock_gettime(CLOCK_REALTIME_COARSE, &now), "clock_gettime(CLOCK_REALTIME_COARSE)");
    constexpr std::int64_t kSecond = 1'000'000'000;
    return now.tv_sec * kSecond + now.tv_nsec;
}

void mark_document(const ContentStore& store, const Digest& digest, const std::string& type,
                   Marks& marks) {
    if (!marks.insert(digest).second) {
        return;
    }
    for (const oci::Descriptor& part :
         contents_of(store.read(digest, kMaxManifestSize), type, digest.text())) {
        if (media_type::is_index(part.media_type) || media_type::is_manifest(part.media_type)) {
            if (store.contains(part.digest)) {
                mark_document(store, part.digest, part.media_type, marks);
            }
        } else {
            marks.insert(part.digest);
        }
    }
}

}  // namespace

std::vector<oci::Descriptor> contents_of(const std::string& text, const std::string& type,
                                         const std::string& name) {
    if (media_type::is_index(type)) {
        return parse_index(text, type, name).manifests;
    }
    oci::Manifest manifest = parse_manifest(text, type, name);
    manifest.layers.push_back(std::move(manifest.config));
    return std::move(manifest.layers);
}

bool Registry::State::lease(const Digest& digest) const {
    if (read_only && !mirror) {
        return store.contains(digest);
    }
    const int touched = ::utimensat(AT_FDCWD, store.path_of(digest).c_str(), nullptr, 0);
    if (touched == -1 && errno == ENOENT) {
        return false;
    }
    check(touched, "utimensat({})", store.path_of(digest).native());
    return true;
}

// [region: registry-mark]
/// What the manifests of one repository need, them included.
std::unordered_set<Digest> Registry::State::needed_by(const std::string& name) const {
    Marks marks;
    for (const Digest& manifest : repositories.manifests(name)) {
        if (const auto type = repositories.manifest_type(name, manifest)) {
            mark_document(store, manifest, *type, marks);
        }
    }
    return marks;
}
// [/region]

/// Takes from a repository the names of blobs that none of its manifests needs.
/// @param live gets what may still be had from it
void Registry::State::sweep_repository(const std::string& name, std::int64_t cutoff,
                                       std::unordered_set<Digest>& live, RegistryGarbage& garbage) {
    Marks needed;
    try {
        needed = needed_by(name);
    } catch (const InputError& error) {  // of what is damaged nobody knows what it needs
        garbage.damaged.push_back(fmt::format("{}: {}", name, error.what()));
        for (const Digest& digest : repositories.blob_links(name)) {
            live.insert(digest);
        }
        for (const Digest& digest : repositories.manifests(name)) {
            live.insert(digest);
        }
        return;
    }
    for (const Digest& digest : repositories.blob_links(name)) {
        if (needed.contains(digest) || last_wanted(store, digest).value_or(0) >= cutoff) {
            live.insert(digest);
            continue;
        }
        const auto alone = gate.sweep();
        if (gate.held(digest) || last_wanted(store, digest).value_or(0) >= cutoff) {
            live.insert(digest);  // a push came meanwhile
        } else {
            repositories.remove_blob(name, digest);
            ++garbage.links;
        }
    }
    {
        const auto alone = gate.sweep();
        repositories.forget_stale_referrers(name);
    }
    live.merge(needed);
}

// [region: registry-sweep]
void Registry::State::sweep_store(std::int64_t cutoff, const std::unordered_set<Digest>& live,
                                  RegistryGarbage& garbage) {
    for (const Digest& digest : store.list()) {
        if (live.contains(digest) || last_wanted(store, digest).value_or(cutoff) >= cutoff) {
            continue;
        }
        const auto alone = gate.sweep();
        if (gate.held(digest) || last_wanted(store, digest).value_or(cutoff) >= cutoff) {
            continue;  // a push asked for it since
        }
        const std::uint64_t size = store.size(digest);
        check(::unlink(store.path_of(digest).c_str()), "unlink({})",
              store.path_of(digest).native());
        ++garbage.blobs;
        garbage.bytes += size;
    }
}

/// Mark and sweep beside pushes. Every push that finished before `begin` has its manifest on disk,
/// where the marking finds it; every later one touches each blob that it finds or brings, and what
/// was touched after `begin` stays.
RegistryGarbage Registry::State::collect(const RegistryGarbageOptions& options) {
    const std::lock_guard one_at_a_time(collecting);
    std::int64_t begin = 0;
    {
        const auto alone = gate.sweep();  // nobody is between asking and naming
        begin = file_clock();
    }
    RegistryGarbage garbage;
    uploads.forget_stale(options.stale_uploads, garbage);
    const std::int64_t cutoff =
        begin - std::chrono::duration_cast<std::chrono::nanoseconds>(options.grace).count();
    Marks live = needed_by_index();
    for (const std::string& name : repositories.all()) {
        sweep_repository(name, cutoff, live, garbage);
    }
    sweep_store(cutoff, live, garbage);
    return garbage;
}
// [/region]

/// What index.json of the layout needs: images that another tool, skopeo say, put beside ours.
std::unordered_set<Digest> Registry::State::needed_by_index() const {
    Marks marks;
    for (const oci::Descriptor& entry :
         parse_index(store.read_index(), "", "index.json").manifests) {
        if (store.contains(entry.digest)) {
            mark_document(store, entry.digest, entry.media_type, marks);
        }
    }
    return marks;
}

std::string to_string(const RegistryGarbage& garbage) {
    return fmt::format("removed {} blob{} and {} stale upload{}, {} bytes", garbage.blobs,
                       garbage.blobs == 1 ? "" : "s", garbage.uploads,
                       garbage.uploads == 1 ? "" : "s", garbage.bytes);
}

}  // namespace drydock
