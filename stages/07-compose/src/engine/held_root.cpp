#include "engine/held_root.hpp"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/rootfs.hpp"
#include "03-cgroups/oci_config.hpp"
#include "03-cgroups/programs.hpp"

namespace drydock {
namespace {

/// Starts the holder between two pipes.
pid_t spawn_holder(const std::filesystem::path& bundle, const Pipe& in, const Pipe& out) {
    const std::string program = program_beside("drydock-daemon");
    std::vector<std::string> words = {program, "--hold-root", bundle};
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in.read.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        errno = error;
        check(-1, "posix_spawn({} --hold-root)", program);
    }
    return pid;
}

}  // namespace

HeldRoot::HeldRoot(const std::filesystem::path& bundle) {
    Pipe in = make_pipe();
    Pipe out = make_pipe();
    pid_ = spawn_holder(bundle, in, out);
    hold_ = std::move(in.write);
    in.read = UniqueFd();
    out.write = UniqueFd();
    char ready = 0;
    if (::read(out.read.get(), &ready, 1) == 1) {
        root_ = UniqueFd(
            ::open(fmt::format("/proc/{}/cwd", pid_).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    if (!root_) {
        hold_ = UniqueFd();
        ::waitpid(std::exchange(pid_, 0), nullptr, 0);
        throw SetupError(
            fmt::format(
                "the file system of {} cannot be mounted; the daemon's error output says why",
                bundle.native()),
            {}, kSetupFailed);
    }
}

HeldRoot::~HeldRoot() {
    root_ = UniqueFd();
    hold_ = UniqueFd();
    if (pid_ > 0) {
        ::waitpid(pid_, nullptr, 0);
    }
}

int hold_root(const std::filesystem::path& bundle) {
    check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
    make_mounts_private();
    Rootfs rootfs{.directory = bundle / "rootfs"};
    std::vector<MountSpec> binds;
    for (const oci::Mount& mount : oci::read_bundle(bundle).config.mounts) {
        MountSpec spec = with_mount_options(
            {.source = mount.source, .target = mount.destination, .type = mount.type},
            mount.options);
        if (mount.destination == "/") {
            rootfs.filesystem = std::move(spec);
        } else if (mount.type == "bind" && !mount.destination.starts_with("/dev/")) {
            spec.flags |= MS_BIND;
            binds.push_back(std::move(spec));
        }
    }
    mount_rootfs(rootfs);
    mount_inside(rootfs.directory, binds);
    check(::chdir(rootfs.directory.c_str()), "chdir({})", rootfs.directory.native());
    write_all(STDOUT_FILENO, ".", "standard output");
    char nothing = 0;
    while (::read(STDIN_FILENO, &nothing, 1) == -1 && errno == EINTR) {
    }
    return 0;
}

}  // namespace drydock
