#include "02-namespaces/dev.hpp"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "02-namespaces/id_map.hpp"
#include "02-namespaces/join.hpp"
#include "02-namespaces/rootfs.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

namespace fs = std::filesystem;
using drydock::DeviceNode;
using drydock::testing::in_mount_namespace;

namespace {

bool is_device(const fs::path& path, unsigned major, unsigned minor) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0 && S_ISCHR(status.st_mode) &&
           status.st_rdev == makedev(major, minor);
}

bool all_there(const fs::path& root) {
    bool there = true;
    for (const DeviceNode& device : drydock::default_devices()) {
        there = there && is_device(root.native() + device.path, device.major, device.minor);
    }
    return there;
}

}  // namespace

TEST_CASE("make_devices: the nodes are there, with their mode whatever the umask", "[02][dev]") {
    const drydock::TempDir dir("drydock-test");
    const int fact = in_mount_namespace([&] {
        ::umask(077);
        drydock::mount_inside(dir.path(), drydock::default_mounts());
        std::vector<DeviceNode> devices = drydock::default_devices();
        devices.push_back({.path = "/dev/extra",
                           .mode = 0640,
                           .type = S_IFCHR,
                           .major = 1,
                           .minor = 3,
                           .uid = 7,
                           .gid = 8});
        drydock::make_devices(dir.path(), devices);
        struct stat null{};
        struct stat extra{};
        ::stat((dir.path() / "dev/null").c_str(), &null);
        ::stat((dir.path() / "dev/extra").c_str(), &extra);
        const bool right = (null.st_mode & 07777) == 0666 && (extra.st_mode & 07777) == 0640 &&
                           extra.st_uid == 7 && extra.st_gid == 8;
        return all_there(dir.path()) && right ? 0 : 1;
    });
    CHECK(fact == 0);
}

TEST_CASE("make_devices: a node that is there already has to be the very device", "[02][dev]") {
    const drydock::TempDir dir("drydock-test");
    const int fact = in_mount_namespace([&] {
        drydock::mount_inside(dir.path(), drydock::default_mounts());
        const fs::path null = dir.path() / "dev/null";
        drydock::check(::mknod(null.c_str(), S_IFCHR | 0600, makedev(1, 3)), "mknod(null)");
        drydock::make_devices(dir.path(), drydock::default_devices());
        const bool taken = is_device(null, 1, 3);
        fs::remove(null);
        drydock::check(::mknod(null.c_str(), S_IFCHR | 0600, makedev(1, 5)), "mknod(zero)");
        try {
            drydock::make_devices(dir.path(), drydock::default_devices());
            return 1;
        } catch (const drydock::InputError&) {
            return taken ? 0 : 2;
        }
    });
    CHECK(fact == 0);
}

TEST_CASE("make_devices: in a user namespace the host's nodes are bound, and work", "[02][dev]") {
    const drydock::TempDir dir("drydock-test");
    fs::permissions(dir.path(), fs::perms(0777));
    fs::create_directory(dir.path() / "dev");
    fs::permissions(dir.path() / "dev", fs::perms(0777));
    const int fact = drydock::testing::in_child_as(65534, [&] {
        drydock::check(::prctl(PR_SET_DUMPABLE, 1), "prctl(PR_SET_DUMPABLE)");
        const drydock::Child owner = drydock::clone_child(CLONE_NEWUSER | CLONE_NEWNS);
        if (!owner) {
            while (true) {
                ::pause();
            }
        }
        drydock::write_id_maps(owner.pid(), drydock::own_id_maps());
        drydock::join_namespaces(owner.pidfd(), CLONE_NEWUSER | CLONE_NEWNS);
        drydock::make_devices(dir.path(), drydock::default_devices());
        return all_there(dir.path()) &&
                       std::ofstream(dir.path() / "dev/null").put('x').flush().good()
                   ? 0
                   : 1;
    });
    CHECK(fact == 0);
}

TEST_CASE("make_devices: a /dev that is a link has nothing made on the host", "[02][dev]") {
    const drydock::TempDir dir("drydock-test");
    const fs::path canary = dir.path() / "canary";
    fs::create_directories(dir.path() / "root");
    fs::create_directory(canary);
    fs::create_directory_symlink(canary, dir.path() / "root/dev");
    CHECK_THROWS(drydock::make_devices(dir.path() / "root", drydock::default_devices()));
    CHECK_THROWS(drydock::make_device_links(dir.path() / "root"));
    CHECK(fs::is_empty(canary));
}

TEST_CASE("make_device_links: fd, stdin, stdout, stderr, ptmx", "[02][dev]") {
    const drydock::TempDir dir("drydock-test");
    drydock::make_device_links(dir.path());
    CHECK(fs::read_symlink(dir.path() / "dev/fd") == "/proc/self/fd");
    CHECK(fs::read_symlink(dir.path() / "dev/stdin") == "/proc/self/fd/0");
    CHECK(fs::read_symlink(dir.path() / "dev/stdout") == "/proc/self/fd/1");
    CHECK(fs::read_symlink(dir.path() / "dev/stderr") == "/proc/self/fd/2");
    CHECK(fs::read_symlink(dir.path() / "dev/ptmx") == "pts/ptmx");
}
