#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/child.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "03-cgroups/hierarchy.hpp"

#include "testing/program.hpp"

#include "waiting.hpp"

namespace drydock::testing {

/// What `runc spec` writes, with the parts that tests change as parameters.
struct SpecParts {
    std::string args = R"(["sh"])";
    std::string cwd = "/";
    std::string terminal = "true";
    std::string linux_extra{};  ///< `"cgroupsPath": "/x",`
    std::string namespaces =
        R"([{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"}])";
    std::string resources_extra{};  ///< `"pids": {"limit": 5},`
    std::string mounts_extra{};     ///< `{"destination": ...},`
    std::string root = R"({"path": "rootfs", "readonly": true})";
};

inline std::string spec_text(const SpecParts& parts) {
    return R"({"ociVersion": "1.0.2-dev", "process": {"terminal": )" + parts.terminal +
           R"(, "user": {"uid": 0, "gid": 0}, "args": )" + parts.args +
           R"(, "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"], "cwd": ")" +
           parts.cwd + R"(", "capabilities": {
  "bounding": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
  "effective": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
  "permitted": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]},
 "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}], "noNewPrivileges": true},
 "root": )" +
           parts.root + R"(, "hostname": "runc", "mounts": [)" + parts.mounts_extra + R"(
  {"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
  {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
   "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
  {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
  {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
  {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
   "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}],
 "linux": {)" +
           parts.linux_extra + R"("resources": {)" + parts.resources_extra +
           R"("devices": [{"allow": false, "access": "rwm"}]}, "namespaces": )" + parts.namespaces +
           R"(,
  "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
  "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]}})";
}

/// The args of a bundle whose command is `script`, run by a shell.
inline std::string shell(const std::string& script) {
    return R"(["sh", "-c", ")" + script + R"("])";
}

/// A bundle in a directory of its own, and a directory for the runtime's state.
class BundleFixture {
  public:
    explicit BundleFixture(const SpecParts& parts = {}) {
        make_test_rootfs(bundle() / "rootfs");
        write(spec_text(parts));
    }
    void write(const std::string& config) const {
        std::ofstream(bundle() / "config.json") << config;
    }

    [[nodiscard]] std::filesystem::path bundle() const { return directory_.path() / "bundle"; }
    [[nodiscard]] std::filesystem::path root() const { return directory_.path() / "state"; }
    /// drydock-runtime --root ROOT ARGUMENTS
    [[nodiscard]] std::vector<std::string> runtime(
        const std::vector<std::string>& arguments) const {
        std::vector<std::string> argv = {program_path("drydock-runtime").native(), "--root",
                                         root().native()};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        return argv;
    }
    [[nodiscard]] Outcome run(const std::string& id,
                              const std::vector<std::string>& env = {}) const {
        return run_program(runtime({"run", "-b", bundle().native(), id}), env);
    }

  private:
    TempDir directory_{"drydock-03-test"};
};

/// In a child: becomes the program, or ends.
[[noreturn]] inline void become_program(const std::vector<std::string>& argv) {
    std::vector<char*> pointers;
    for (const std::string& argument : argv) {
        pointers.push_back(const_cast<char*>(argument.c_str()));
    }
    pointers.push_back(nullptr);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
}

/// Starts a program with no standard input and its output thrown away.
inline Child start_program(const std::vector<std::string>& argv) {
    Child child = clone_child(0);
    if (!child) {
        const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        for (const int fd : {0, 1, 2}) {
            ::dup2(null, fd);
        }
        become_program(argv);
    }
    return child;
}

/// The cgroup directories of that name that there are, below drydock/.
inline std::vector<std::string> cgroups_named(const std::string& name) {
    std::vector<std::string> found;
    const Hierarchy hierarchy = find_hierarchy();
    std::vector<std::filesystem::path> trees = {hierarchy.root};
    for (const std::string& controller : hierarchy.controllers) {
        trees.push_back(hierarchy.root / controller);
    }
    for (const std::filesystem::path& tree : trees) {
        std::error_code ignored;
        if (std::filesystem::exists(tree / "drydock" / name, ignored)) {
            found.push_back((tree / "drydock" / name).native());
        }
    }
    return found;
}

}  // namespace drydock::testing
