#include "03-cgroups/sysctl.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

constexpr std::array<std::string_view, 8> kIpc = {
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
    "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};

/// The namespace that has a `key` of its own; 0 when it is the whole machine's.
std::uint64_t namespace_of(std::string_view key) {
    if (key.starts_with("net.")) {
        return CLONE_NEWNET;
    }
    if (key.starts_with("fs.mqueue.") || std::ranges::find(kIpc, key) != kIpc.end()) {
        return CLONE_NEWIPC;
    }
    return key == "kernel.domainname" ? CLONE_NEWUTS : 0;
}

/// Nothing mounted in between, and no link: what is written is that value of the kernel or nothing.
UniqueFd open_sysctl(int proc, const std::string& key) {
    std::string path = "sys/" + key;
    std::ranges::replace(path, '.', '/');
    open_how how{};
    how.flags = O_WRONLY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
    return UniqueFd(static_cast<int>(
        check(::syscall(SYS_openat2, proc, path.c_str(), &how, sizeof how),
              "openat2(/proc/{}, O_WRONLY, RESOLVE_BENEATH|RESOLVE_NO_XDEV)", path)));
}

}  // namespace

void check_sysctls(const std::map<std::string, std::string>& values, std::uint64_t namespaces) {
    for (const auto& [key, value] : values) {
        const bool has_path =
            key.find('/') != std::string::npos || key.find("..") != std::string::npos;
        if (has_path || (namespace_of(key) & namespaces) == 0) {
            throw InputError(
                fmt::format("sysctl \"{}\": expected one that the container's own network, IPC or "
                            "UTS namespace keeps (net.*, fs.mqueue.*, kernel.shm*, ...)",
                            key));
        }
    }
}

void set_sysctls(const std::map<std::string, std::string>& values) {
    if (values.empty()) {
        return;
    }
    const UniqueFd proc = open_file("/proc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    struct statfs status{};
    check(::fstatfs(proc.get(), &status), "fstatfs(/proc)");
    if (status.f_type != PROC_SUPER_MAGIC) {
        throw InputError("sysctl: /proc is no proc file system");
    }
    for (const auto& [key, value] : values) {
        const UniqueFd file = open_sysctl(proc.get(), key);
        check(::write(file.get(), value.data(), value.size()), "write(/proc/sys/{}, \"{}\")", key,
              value);
    }
}

}  // namespace drydock
