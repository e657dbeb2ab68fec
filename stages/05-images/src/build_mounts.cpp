#include "build_mounts.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr const char* kScriptDirectory = "/dev/pipes";
constexpr const char* kScriptName = "script";
constexpr mode_t kCacheMode = 0755;
constexpr mode_t kSecretMode = 0400;

/// A directory that no disk is behind.
fs::path tmpfs_directory() {
    for (const char* path : {"/run", "/dev/shm"}) {
        struct ::statfs status{};
        if (::statfs(path, &status) == 0 && status.f_type == TMPFS_MAGIC &&
            ::access(path, W_OK) == 0) {
            return path;
        }
    }
    throw InputError(
        "--mount=type=secret: neither /run nor /dev/shm is a tmpfs that can be written, and a "
        "secret is not put on a disk");
}

oci::Mount bind_mount(const fs::path& source, const std::string& target, bool readonly) {
    return {.destination = target,
            .type = "bind",
            .source = source.native(),
            .options = {"bind", readonly ? "ro" : "rw", "nosuid", "nodev"}};
}

void set_owner(int fd, std::uint32_t uid, std::uint32_t gid, mode_t mode, const char* what) {
    if (uid != 0 || gid != 0) {
        check(::fchown(fd, uid, gid), "fchown({}, {}, {})", what, uid, gid);
    }
    check(::fchmod(fd, mode), "fchmod({}, {:o})", what, mode);
}

/// Opens the directory `path` of an upper layer, following nothing.
UniqueFd open_nofollow(int upper, const std::string& path) {
    UniqueFd at(::openat(upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (std::size_t begin = 1; at && begin < path.size();) {
        const std::size_t slash = std::min(path.find('/', begin), path.size());
        const std::string part = path.substr(begin, slash - begin);
        at = UniqueFd(
            ::openat(at.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        begin = slash + 1;
    }
    return at;
}

}  // namespace

RunMounts::RunMounts(fs::path data_root, const std::map<std::string, std::string>& secrets)
    : data_root_(std::move(data_root)), secrets_(secrets) {}

void RunMounts::add(RunMount mount, const LayerView* tree, const IgnoreRules* rules) {
    Planned planned{.mount = std::move(mount), .tree = tree};
    if (tree != nullptr) {
        const std::string& source = planned.mount.source;
        planned.sources =
            find_sources(*tree, {.pattern = source.empty() ? "/" : source, .rules = rules});
        planned.input = digest_of(*tree, planned.sources, true).text();
    }
    planned_.push_back(std::move(planned));
}

std::string RunMounts::add_script(const std::string& text) {
    script_ = text;
    return fmt::format("{}/{}", kScriptDirectory, kScriptName);
}

std::vector<std::string> RunMounts::key() const {
    std::vector<std::string> result;
    for (const Planned& planned : planned_) {
        const RunMount& mount = planned.mount;
        result.push_back(fmt::format("{} {} {} {} {} {:o} {}:{} {}", static_cast<int>(mount.type),
                                     mount.target, mount.id, mount.size,
                                     mount.readonly.value_or(false), mount.mode.value_or(0),
                                     mount.uid, mount.gid, planned.input));
    }
    if (!script_.empty()) {
        result.push_back(script_);
    }
    return result;
}

void RunMounts::remember_stubs(const LayerView& image, const std::string& target) {
    std::string path = image.resolve(target);
    while (path.size() > 1 && !image.find_nofollow(path)) {
        const std::string parent = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
        const auto there = image.find_nofollow(parent);
        stubs_.push_back(
            {.path = path,
             .parent_time = there ? std::optional(there->status.st_mtim) : std::nullopt});
        path = parent;
    }
}

/// The sources copied to a directory of their own: a file, or a directory, that can be bound.
fs::path RunMounts::copy_of(const Planned& planned) {
    directories_.emplace_back("mount-", data_root_ / "tmp");
    const fs::path directory = directories_.back().path();
    if (planned.sources.size() != 1) {
        throw InputError(fmt::format("--mount: source={}: matches {} files; expected one",
                                     planned.mount.source, planned.sources.size()));
    }
    const CopySource& source = planned.sources.front();
    // What a context holds is nobody's in particular, so it is root's, as with COPY.
    const CopyOptions options{.keep_owners = !planned.mount.from.empty()};
    const std::string name = source.is_directory ? "directory" : source.name;
    UpperWriter(directory, {})
        .copy(*planned.tree, {source}, {"/" + (source.is_directory ? name : ""), true}, options);
    if (source.is_directory) {
        const UniqueFd fd = open_file(directory / name, O_RDONLY | O_DIRECTORY);
        const struct ::stat& status = source.items.front().found.status;
        set_owner(fd.get(), options.keep_owners ? status.st_uid : 0,
                  options.keep_owners ? status.st_gid : 0, status.st_mode & 07777, name.c_str());
    }
    return directory / name;
}

void RunMounts::prepare_bind(const Planned& planned) {
    mounts_.push_back(
        bind_mount(copy_of(planned), planned.mount.target, planned.mount.readonly.value_or(true)));
}

// [region: cache-mount]
/// DATA_ROOT/build-cache/mounts/HEX/data, HEX being the digest of the cache's ID: an ID is a
/// stranger's text and never a path.
void RunMounts::prepare_cache(const Planned& planned, const std::function<void()>& wait) {
    const RunMount& mount = planned.mount;
    const std::string id = mount.id.empty() ? mount.target : mount.id;
    const fs::path directory =
        data_root_ / "build-cache" / "mounts" / std::string(digest_of(id).hex());
    fs::create_directories(directory);
    fs::path data = directory / "data";
    if (mount.sharing != RunMount::Sharing::Shared) {
        UniqueFd lock = open_file(directory / "lock", O_RDWR | O_CREAT, 0600);
        bool taken = ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
        while (!taken && mount.sharing == RunMount::Sharing::Locked) {
            wait();
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            taken = ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
        }
        if (taken) {
            locks_.push_back(std::move(lock));
        } else {
            directories_.emplace_back("cache-", data_root_ / "tmp");
            data = directories_.back().path() / "data";
        }
    }
    if (!fs::exists(data)) {
        if (planned.tree != nullptr) {
            fs::rename(copy_of(planned), data);
        } else {
            fs::create_directory(data);
        }
        const UniqueFd fd = open_file(data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        set_owner(fd.get(), mount.uid, mount.gid, mount.mode.value_or(kCacheMode), "cache");
    }
    mounts_.push_back(bind_mount(data, mount.target, mount.readonly.value_or(false)));
}
// [/region]

void RunMounts::prepare_secret(const RunMount& mount) {
    const auto secret = secrets_.find(mount.id);
    if (secret == secrets_.end()) {
        if (mount.required) {
            throw InputError(
                fmt::format("--mount: secret {}: not given; expected --secret id={},src=FILE",
                            mount.id, mount.id));
        }
        return;
    }
    directories_.emplace_back("drydock-secret-", tmpfs_directory());
    const fs::path path = directories_.back().path() / "secret";
    const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    write_all(fd.get(), secret->second, "secret");
    set_owner(fd.get(), mount.uid, mount.gid, mount.mode.value_or(kSecretMode), "secret");
    mounts_.push_back(bind_mount(path, mount.target, true));
    mounts_.back().options.emplace_back("noexec");
}

void RunMounts::prepare(const LayerView& image, const std::function<void()>& wait) {
    for (const Planned& planned : planned_) {
        const RunMount& mount = planned.mount;
        remember_stubs(image, mount.target);
        switch (mount.type) {
            case RunMount::Type::Bind:
                prepare_bind(planned);
                break;
            case RunMount::Type::Cache:
                prepare_cache(planned, wait);
                break;
            case RunMount::Type::Secret:
                prepare_secret(mount);
                break;
            case RunMount::Type::Tmpfs:
                mounts_.push_back({.destination = mount.target,
                                   .type = "tmpfs",
                                   .source = "tmpfs",
                                   .options = {"nosuid", "nodev"}});
                if (!mount.size.empty()) {
                    mounts_.back().options.push_back("size=" + mount.size);
                }
                break;
        }
    }
    if (!script_.empty()) {
        directories_.emplace_back("script-", data_root_ / "tmp");
        const fs::path& directory = directories_.back().path();
        fs::permissions(directory, fs::perms(0755));
        const UniqueFd fd = open_file(directory / kScriptName, O_WRONLY | O_CREAT | O_EXCL, 0755);
        check(::fchmod(fd.get(), 0755), "fchmod({})", kScriptName);
        write_all(fd.get(), script_, kScriptName);
        mounts_.push_back(bind_mount(directory, kScriptDirectory, true));
    }
}

// [region: mount-stubs]
void RunMounts::remove_stubs(const fs::path& upper) const {
    const UniqueFd root = open_file(upper, O_RDONLY | O_DIRECTORY);
    for (const Stub& stub : stubs_) {
        const std::size_t slash = stub.path.rfind('/');
        const UniqueFd parent = open_nofollow(root.get(), stub.path.substr(0, slash));
        const std::string name = stub.path.substr(slash + 1);
        struct ::stat status{};
        if (!parent || ::fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == -1) {
            continue;
        }
        const bool empty_file = S_ISREG(status.st_mode) && status.st_size == 0;
        const int flag = S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0;
        if ((flag == 0 && !empty_file) || ::unlinkat(parent.get(), name.c_str(), flag) == -1) {
            continue;  // the command has put something there: that is the layer's
        }
        if (stub.parent_time) {
            const timespec times[2] = {*stub.parent_time, *stub.parent_time};
            check(::futimens(parent.get(), times), "futimens({})", stub.path);
        }
    }
}
// [/region]

}  // namespace drydock
