#include "04-layers/fsck.hpp"

#include <sys/stat.h>

#include <ctime>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "04-layers/directory.hpp"
#include "04-layers/snapshotter.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

bool is_settled(const fs::path& path, std::chrono::seconds grace) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0 &&
           status.st_ctim.tv_sec + grace.count() <= std::time(nullptr);
}

/// Out of everybody's way, on the same filesystem, and there for who wants to look at it.
void put_aside(const fs::path& path, const fs::path& quarantine) {
    make_directory(quarantine);
    fs::rename(path, quarantine / unused_name(path.filename().native() + "."));
}

/// One fault, and its repair when that is wanted.
struct Faults {
    const FsckOptions& options;
    const fs::path quarantine;
    std::vector<StoreFault> found{};

    void add(std::string text) { found.push_back({.text = std::move(text)}); }
    void add(std::string text, const fs::path& broken) {
        if (options.repair) {
            put_aside(broken, quarantine);
        }
        found.push_back({.text = std::move(text), .repaired = options.repair});
    }
};

std::vector<std::string> names_below(const fs::path& directory) {
    return fs::is_directory(directory) ? names_in(make_directory(directory).get())
                                       : std::vector<std::string>{};
}

/// @return the short names of the layers that have a ChainID
std::set<std::string> check_chains(const fs::path& root, Faults& faults) {
    std::set<std::string> named;
    for (const std::string& name : names_below(root / "chains")) {
        const fs::path link = root / "chains" / name;
        const fs::path target = fs::is_symlink(link) ? fs::read_symlink(link) : fs::path();
        if (target.parent_path() != "../l" || !fs::is_directory(root / "l" / target.filename())) {
            faults.add(fmt::format("chains/{}: leads to no layer; it is unpacked again when an "
                                   "image needs it",
                                   name),
                       link);
        } else {
            named.insert(target.filename());
        }
    }
    return named;
}

void check_layers(const fs::path& root, const std::set<std::string>& named, Faults& faults) {
    for (const std::string& name : names_below(root / "l")) {
        const fs::path layer = root / "l" / name;
        if (!named.contains(name) && is_settled(layer, faults.options.grace)) {
            faults.add(fmt::format("l/{}: a layer without a name, which nobody can use", name),
                       layer);
        }
    }
}

void check_unfinished(const fs::path& root, Faults& faults) {
    for (const char* folder : {"tmp", "trash"}) {
        for (const std::string& name : names_below(root / folder)) {
            const fs::path path = root / folder / name;
            if (is_settled(path, faults.options.grace)) {
                faults.add(
                    fmt::format("{}/{}: half-done work of a process that was killed", folder, name),
                    path);
            }
        }
    }
}

void check_active(const fs::path& root, Faults& faults) {
    const Snapshotter snapshots(root);
    for (const std::string& key : snapshots.list_active()) {
        try {
            static_cast<void>(snapshots.active(key));
        } catch (const InputError& e) {
            faults.add(fmt::format("active/{}: {}; its container cannot start", key, e.what()));
        }
    }
}

}  // namespace

std::vector<StoreFault> check_blobs(const ContentStore& store, const FsckOptions& options,
                                    std::uint64_t& bytes) {
    Faults faults{.options = options, .quarantine = store.root() / "quarantine"};
    for (const Digest& digest : store.list()) {
        const std::uint64_t size = store.size(digest);
        if (!store.verify(digest)) {
            faults.add(fmt::format("blob {}: damaged, {} bytes that have another digest",
                                   digest.text(), size),
                       store.path_of(digest));
        }
        bytes += size;
        if (options.progress) {
            options.progress(bytes);
        }
    }
    for (const std::string& name : names_below(store.root() / "tmp")) {
        const fs::path path = store.root() / "tmp" / name;
        if (is_settled(path, options.grace)) {
            faults.add(fmt::format("tmp/{}: half-done work of a process that was killed", name),
                       path);
        }
    }
    return std::move(faults.found);
}

std::vector<StoreFault> check_snapshots(const fs::path& root, const fs::path& quarantine,
                                        const FsckOptions& options) {
    Faults faults{.options = options, .quarantine = quarantine};
    check_layers(root, check_chains(root, faults), faults);
    check_unfinished(root, faults);
    check_active(root, faults);
    return std::move(faults.found);
}

}  // namespace drydock
