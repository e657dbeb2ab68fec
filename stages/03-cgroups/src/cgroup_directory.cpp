#include "cgroup_directory.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <sstream>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

constexpr std::size_t kMaxFile = std::size_t{4} << 20U;

bool has_cgroup_magic(int fd) {
    struct statfs status{};
    return ::fstatfs(fd, &status) == 0 &&
           (status.f_type == CGROUP_SUPER_MAGIC || status.f_type == CGROUP2_SUPER_MAGIC);
}

std::optional<std::string> read_optional(const CgroupDirectory& directory,
                                         const std::string& file) {
    const UniqueFd fd(::openat(directory.fd.get(), file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        return std::nullopt;
    }
    try {
        return read_all(fd.get(), kMaxFile, file);
    } catch (const std::system_error&) {  // ENODEV: the group is gone
        return std::nullopt;
    }
}

/// Makes one directory below `parent`. @return false when it was there
bool make_one(const CgroupDirectory& parent, const std::string& name) {
    const int rc = ::mkdirat(parent.fd.get(), name.c_str(), 0755);
    if (rc == -1 && errno == EEXIST) {
        return false;
    }
    check(rc, "mkdir({})", (parent.path / name).native());
    return true;
}

CgroupDirectory open_below(const CgroupDirectory& parent, const std::string& name) {
    return {.path = parent.path / name,
            .fd = open_at(parent.fd.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)};
}

/// Removes what is empty above `path` up to our "drydock/", which goes too. Parents elsewhere are
/// not ours.
void remove_empty_above(const fs::path& path) {
    const fs::path parent = path.parent_path();
    if (std::ranges::find(parent, fs::path("drydock")) == parent.end()) {
        return;
    }
    for (fs::path above = parent;; above = above.parent_path()) {
        // EBUSY, ENOTEMPTY: another container's group is in it.
        if (::rmdir(above.c_str()) == -1 || above.filename() == "drydock") {
            return;
        }
    }
}

CgroupDirectory make_once(const CgroupDirectory& base, const std::string& path,
                          void (*prepare_parent)(const CgroupDirectory&)) {
    CgroupDirectory directory;
    const CgroupDirectory* parent = &base;
    bool is_new = false;
    for (const fs::path& part : fs::path(path)) {
        if (prepare_parent != nullptr) {
            prepare_parent(*parent);
        }
        is_new = make_one(*parent, part.native());
        try {
            directory = open_below(*parent, part.native());
        } catch (...) {
            if (is_new) {  // without a descriptor to spare nobody could remove it later
                ::unlinkat(parent->fd.get(), part.c_str(), AT_REMOVEDIR);
                remove_empty_above(parent->path / part);
            }
            throw;
        }
        parent = &directory;
    }
    if (!is_new && !processes_below(directory.path).empty()) {
        throw InputError(
            fmt::format("cgroup {}: in use; expected one that is not there or has no processes",
                        directory.path.native()));
    }
    return directory;
}

}  // namespace

CgroupDirectory open_cgroup_directory(const fs::path& path) {
    CgroupDirectory directory{.path = path, .fd = open_file(path, O_RDONLY | O_DIRECTORY)};
    if (!has_cgroup_magic(directory.fd.get())) {
        throw InputError(fmt::format("{}: not a directory of a cgroup file system", path.native()));
    }
    return directory;
}

void unless_gone(const std::function<void()>& open) {
    try {
        open();
    } catch (const std::system_error& e) {
        if (e.code() != std::errc::no_such_file_or_directory &&
            e.code() != std::errc::no_such_device) {
            throw;
        }
    }
}

bool is_cgroup_directory(const fs::path& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fd && has_cgroup_magic(fd.get());
}

CgroupDirectory make_cgroup_directory(const CgroupDirectory& base, const std::string& path,
                                      void (*prepare_parent)(const CgroupDirectory&)) {
    // Another container that ends removes the empty "drydock/" under our feet.
    constexpr int kAttempts = 100;
    for (int attempt = 0;; ++attempt) {
        try {
            return make_once(base, path, prepare_parent);
        } catch (const std::system_error& e) {
            if (attempt >= kAttempts || (e.code() != std::errc::no_such_file_or_directory &&
                                         e.code() != std::errc::no_such_device)) {
                throw;
            }
        }
    }
}

bool try_remove_cgroup_directory(const fs::path& path) {
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) {
        return true;
    }
    if (errno != EBUSY && errno != ENOTEMPTY) {
        check(-1, "rmdir({})", path.native());
    }
    if (!is_cgroup_directory(path)) {
        throw InputError(fmt::format("{}: not a directory of a cgroup file system", path.native()));
    }
    bool gone = true;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path, ignored)) {
        if (entry.is_directory(ignored) && !entry.is_symlink(ignored)) {
            gone = try_remove_cgroup_directory(entry.path()) && gone;
        }
    }
    return gone && (::rmdir(path.c_str()) == 0 || errno == ENOENT);
}

fs::path remove_group_directories(const std::vector<fs::path>& paths) {
    fs::path busy;
    std::exception_ptr failure;
    for (const fs::path& path : paths) {
        try {
            if (!try_remove_cgroup_directory(path)) {
                busy = busy.empty() ? path : busy;
            } else {
                remove_empty_above(path);
            }
        } catch (const std::exception&) {  // of one: the others go all the same
            failure = failure ? failure : std::current_exception();
        }
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    return busy;
}

std::vector<pid_t> processes_below(const fs::path& path) {
    std::vector<pid_t> pids;
    std::error_code ignored;
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || !has_cgroup_magic(fd.get())) {
        return pids;
    }
    const CgroupDirectory directory{.path = path,
                                    .fd = open_at(fd.get(), ".", O_RDONLY | O_DIRECTORY)};
    std::istringstream lines(read_optional(directory, "cgroup.procs").value_or(""));
    for (pid_t pid = 0; lines >> pid;) {
        pids.push_back(pid);
    }
    for (const auto& entry : fs::directory_iterator(path, ignored)) {
        if (entry.is_directory(ignored) && !entry.is_symlink(ignored)) {
            const std::vector<pid_t> below = processes_below(entry.path());
            pids.insert(pids.end(), below.begin(), below.end());
        }
    }
    return pids;
}

bool has_file(const CgroupDirectory& directory, const std::string& file) {
    return ::faccessat(directory.fd.get(), file.c_str(), F_OK, 0) == 0;
}

std::string read_text(const CgroupDirectory& directory, const std::string& file) {
    return read_optional(directory, file).value_or("");
}

std::optional<std::string> read_value(const CgroupDirectory& directory, const std::string& file) {
    std::optional<std::string> text = read_optional(directory, file);
    if (text) {
        text->erase(std::min(text->find('\n'), text->size()));
    }
    return text;
}

std::int64_t read_number(const CgroupDirectory& directory, const std::string& file) {
    return cgroup_number(read_value(directory, file).value_or(""));
}

std::int64_t cgroup_number(std::string_view text) {
    std::int64_t number = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() ? number : -1;
}

std::int64_t keyed_number(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.starts_with(key) && line.substr(key.size()).starts_with(" ")) {
            return cgroup_number(line.substr(key.size() + 1));
        }
    }
    return -1;
}

std::int64_t read_keyed(const CgroupDirectory& directory, const std::string& file,
                        std::string_view key) {
    return keyed_number(read_text(directory, file), key);
}

std::optional<std::string> own_group(std::string_view controller) {
    // A line: "4:memory:/a/b", "5:cpu,cpuacct:/", "0::/a" for v2.
    std::istringstream lines(read_file("/proc/self/cgroup"));
    for (std::string line; std::getline(lines, line);) {
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        if (second == std::string::npos) {
            continue;
        }
        const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
        if (names.find("," + std::string(controller) + ",") != std::string::npos) {
            return line.substr(std::min(second + 2, line.size()));
        }
    }
    return std::nullopt;
}

}  // namespace drydock
