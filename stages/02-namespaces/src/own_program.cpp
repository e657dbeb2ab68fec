#include "02-namespaces/own_program.hpp"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

// Where the program lies, for who looks for others beside it: /proc/self/exe tells no more.
constexpr const char* kDirectoryVariable = "DRYDOCK_PROGRAMS";
constexpr unsigned kExecutable = 0x10;  // MFD_EXEC, which older headers do not have
constexpr unsigned kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

bool is_protected(int program) {
    const int seals = ::fcntl(program, F_GET_SEALS);
    if (seals != -1 && (static_cast<unsigned>(seals) & kSeals) == kSeals) {
        return true;
    }
    struct statvfs status{};
    return ::fstatvfs(program, &status) == 0 && (status.f_flag & ST_RDONLY) != 0;
}

/// The program on a read-only mount that is in no namespace; empty where we may make no mounts.
UniqueFd readonly_mount_of(int program) {
    const long tree =
        ::syscall(SYS_open_tree, program, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree == -1) {
        return {};
    }
    UniqueFd result(static_cast<int>(tree));
    mount_attr attributes{.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID,
                          .attr_clr = 0,
                          .propagation = 0,
                          .userns_fd = 0};
    check(::mount_setattr(result.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes),
          "mount_setattr(own program, MS_RDONLY)");
    return result;
}

UniqueFd sealed_copy_of(int program) {
    int made = ::memfd_create("drydock", MFD_CLOEXEC | MFD_ALLOW_SEALING | kExecutable);
    if (made == -1 && errno == EINVAL) {  // the flag is of Linux 6.3
        made = ::memfd_create("drydock", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    UniqueFd copy(check(made, "memfd_create(own program)"));
    struct stat status{};
    check(::fstat(program, &status), "fstat(own program)");
    off_t done = 0;
    while (done < status.st_size) {
        const auto rest = static_cast<std::size_t>(status.st_size - done);
        if (check(::sendfile(copy.get(), program, &done, rest), "sendfile(own program)") == 0) {
            break;
        }
    }
    check(::fcntl(copy.get(), F_ADD_SEALS, kSeals), "fcntl(F_ADD_SEALS)");
    return copy;
}

}  // namespace

void protect_own_program(char** argv) {
    const UniqueFd program = open_file("/proc/self/exe", O_RDONLY);
    if (is_protected(program.get())) {
        return;
    }
    std::error_code ignored;
    const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", ignored);
    ::setenv(kDirectoryVariable, path.parent_path().c_str(), 0);  // NOLINT(concurrency-mt-unsafe)
    UniqueFd safe = readonly_mount_of(program.get());
    if (!safe) {
        safe = sealed_copy_of(program.get());
    }
    check(::execveat(safe.get(), "", argv, environ, AT_EMPTY_PATH), "execveat(own program)");
}

}  // namespace drydock
