#include "07-compose/engine/container_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "05-images/runtime_config.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr const char* kContainerFile = "container.json";
constexpr const char* kStateFile = "state.json";

/// Makes the directory with mode 0700, and its parents; what is there already stays as it is.
void make_private_directory(const fs::path& path) {
    fs::create_directories(path.parent_path());
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        check(-1, "mkdir({})", path.native());
    }
}

}  // namespace

ContainerStore::ContainerStore(const fs::path& data_root)
    : containers_(data_root / "containers"), trash_(data_root / "trash") {
    make_private_directory(containers_);
    make_private_directory(trash_);
    for (const auto& left_over : fs::directory_iterator(trash_)) {
        remove_tree(left_over.path());
    }
}

fs::path ContainerStore::directory(const std::string& id) const {
    return containers_ / id;
}
fs::path ContainerStore::log_file(const std::string& id) const {
    return directory(id) / (id + "-json.log");
}
fs::path ContainerStore::explain_file(const std::string& id) const {
    return directory(id) / "explain.txt";
}

void ContainerStore::save(const Container& container) const {
    const UniqueFd directory_fd = open_file(directory(container.id), O_DIRECTORY | O_RDONLY);
    replace_file(directory_fd.get(), kContainerFile, to_json(container));
    const UniqueFd parent = open_file(containers_, O_DIRECTORY | O_RDONLY);
    check(::fsync(parent.get()), "fsync({})", containers_.native());
}

void ContainerStore::save_state(const Container& container) const {
    const fs::path path = directory(container.id) / kStateFile;
    const fs::path beside = path.native() + ".new";
    {
        const UniqueFd file = open_file(beside, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        write_all(file.get(), to_json(container.state), beside.native());
    }
    check(::rename(beside.c_str(), path.c_str()), "rename({}, {})", beside.native(), path.native());
}

KeptFiles::~KeptFiles() {
    try {
        if (!away_.empty()) {
            remove_tree(away_);
        }
    } catch (const std::exception& e) {
        fmt::print(stderr, "drydock-daemon: {} stays until the next start: {}\n", away_.native(),
                   e.what());
    }
}

void ContainerStore::remove(const std::string& id, std::shared_ptr<KeptFiles> files) const {
    const fs::path away = trash_ / ("container-" + id);
    check(::rename(directory(id).c_str(), away.c_str()), "rename({}, {})", directory(id).native(),
          away.native());
    files->away_ = away;
    files.reset();
}

std::vector<Container> ContainerStore::load(ImageStore& images) const {
    std::vector<Container> containers;
    for (const auto& entry : fs::directory_iterator(containers_)) {
        const std::string id = entry.path().filename();
        const fs::path file = entry.path() / kContainerFile;
        if (!fs::exists(file)) {
            remove_bundle(images, entry.path(), id);
            continue;
        }
        try {
            Container container = container_from_json(read_file(file), file.native());
            if (container.id != id) {
                throw InputError(fmt::format("{}: expected the ID of its directory, found {}",
                                             file.native(), container.id));
            }
            const fs::path state = entry.path() / kStateFile;
            container.state =
                fs::exists(state) ? state_from_json(read_file(state)) : ContainerStatus{};
            containers.push_back(std::move(container));
        } catch (const std::exception& e) {
            fmt::print(stderr, "drydock-daemon: left alone: {}\n", e.what());
        }
    }
    return containers;
}

UniqueFd lock_data_root(const fs::path& data_root) {
    make_private_directory(data_root);
    const fs::path path = data_root / "daemon.lock";
    UniqueFd lock = open_file(path, O_RDWR | O_CREAT, 0600);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            throw InputError(fmt::format(
                "{}: another daemon has this data root; give this one another --data-root",
                data_root.native()));
        }
        check(-1, "flock({}, LOCK_EX|LOCK_NB)", path.native());
    }
    return lock;
}

}  // namespace drydock
