#include "02-namespaces/rootfs.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

namespace fs = std::filesystem;
using drydock::MountSpec;
using drydock::testing::in_child;
using drydock::testing::in_mount_namespace;

namespace {

int error_of(const std::function<void()>& call) {
    try {
        call();
        return 0;
    } catch (const std::system_error& e) {
        return e.code().value();
    }
}

MountSpec tmpfs_at(const fs::path& target) {
    return {.source = "tmpfs", .target = target, .type = "tmpfs"};
}

}  // namespace

TEST_CASE("make_mounts_private: a mount made afterwards does not appear where it came from",
          "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    const auto appears_outside = [&](bool make_private) {
        return in_mount_namespace([&] {
            // A host whose mounts are shared, as systemd makes them.
            drydock::mount_fs(tmpfs_at(dir.path()));
            drydock::mount_fs({.target = dir.path(), .flags = MS_SHARED});
            fs::create_directory(dir.path() / "x");
            in_child([&] {
                drydock::check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
                if (make_private) {
                    drydock::make_mounts_private();
                }
                drydock::mount_fs(tmpfs_at(dir.path() / "x"));
                return 0;
            });
            struct stat outer{};
            struct stat inner{};
            ::stat(dir.path().c_str(), &outer);
            ::stat((dir.path() / "x").c_str(), &inner);
            return outer.st_dev != inner.st_dev ? 1 : 0;
        });
    };
    CHECK(appears_outside(true) == 0);
    CHECK(appears_outside(false) == 1);
}

TEST_CASE("make_mounts_private: in a chroot into a mere directory it says what to do",
          "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    const int fact = in_mount_namespace([&] {
        drydock::check(::chroot(dir.path().c_str()), "chroot");
        drydock::check(::chdir("/"), "chdir");
        try {
            drydock::make_mounts_private();
        } catch (const drydock::SetupError& e) {
            const std::string_view text = e.what();
            return text.find("mount --bind DIR DIR") != text.npos ? 0 : 1;
        }
        return 2;
    });
    CHECK(fact == 0);
}

TEST_CASE("mount_rootfs: a directory becomes a mount point, with what is mounted below it",
          "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    fs::create_directories(dir.path() / "root/below");
    const int fact = in_mount_namespace([&] {
        drydock::mount_fs(tmpfs_at(dir.path() / "root/below"));
        std::ofstream(dir.path() / "root/below/file") << "x";
        drydock::mount_rootfs({.directory = dir.path() / "root"});
        drydock::pivot_to(dir.path() / "root");  // EINVAL for what is no mount point
        return fs::exists("/below/file") ? 0 : 1;
    });
    CHECK(fact == 0);
}

TEST_CASE("mount_rootfs: a filesystem of its own is mounted there", "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    for (const char* name : {"lower", "upper", "work", "merged"}) {
        fs::create_directory(dir.path() / name);
    }
    std::ofstream(dir.path() / "lower/from-below") << "x";
    const auto at = [&](const char* name) { return (dir.path() / name).native(); };
    const MountSpec overlay{
        .source = "overlay",
        .type = "overlay",
        .data = "lowerdir=" + at("lower") + ",upperdir=" + at("upper") + ",workdir=" + at("work")};
    const int fact = in_mount_namespace([&] {
        drydock::mount_rootfs({.directory = at("merged"), .filesystem = overlay});
        drydock::pivot_to(at("merged"));
        std::ofstream("/new") << "x";
        return fs::exists("/from-below") ? 0 : 1;
    });
    CHECK(fact == 0);
    CHECK(fs::exists(dir.path() / "upper/new"));
}

TEST_CASE("mount_rootfs: ENOENT for what is not there", "[02][rootfs]") {
    CHECK(in_mount_namespace([] {
              return error_of([] { drydock::mount_rootfs({.directory = "/nowhere"}); });
          }) == ENOENT);
}

TEST_CASE("mount_inside: targets are made, files for files and directories for directories",
          "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    fs::create_directory(dir.path() / "root");
    std::ofstream(dir.path() / "hosts") << "127.0.0.1";
    const std::vector<MountSpec> mounts = {tmpfs_at("/a/b"),
                                           {.source = (dir.path() / "hosts").native(),
                                            .target = "/etc/hosts",
                                            .flags = MS_BIND | MS_RDONLY}};
    const int fact = in_mount_namespace([&] {
        drydock::mount_inside(dir.path() / "root", mounts);
        std::ofstream(dir.path() / "root/a/b/on-tmpfs") << "x";
        const bool file = fs::file_size(dir.path() / "root/etc/hosts") == 9;
        return file && !std::ofstream(dir.path() / "root/etc/hosts").good() ? 0 : 1;
    });
    CHECK(fact == 0);
    CHECK(fs::is_directory(dir.path() / "root/a/b"));
    CHECK(fs::is_empty(dir.path() / "root/a/b"));
    CHECK(fs::is_regular_file(dir.path() / "root/etc/hosts"));
}

TEST_CASE("mount_inside: a link in the root cannot lead a mount to the host", "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    const fs::path canary = dir.path() / "canary";
    fs::create_directories(canary);
    fs::create_directories(dir.path() / "root");
    fs::create_directory_symlink(canary, dir.path() / "root/absolute");
    fs::create_directory_symlink("../canary", dir.path() / "root/relative");
    std::ofstream(dir.path() / "file") << "x";
    fs::create_symlink(canary / "new", dir.path() / "root/dangling");
    for (const char* target : {"/absolute", "/relative", "/relative/x", "/absolute/x"}) {
        INFO(target);
        const int host_is_touched = in_mount_namespace([&] {
            error_of(
                [&] { drydock::mount_inside(dir.path() / "root", std::vector{tmpfs_at(target)}); });
            struct stat parent{};
            struct stat inside{};
            ::stat(dir.path().c_str(), &parent);
            ::stat(canary.c_str(), &inside);
            return parent.st_dev != inside.st_dev ? 1 : 0;
        });
        CHECK(host_is_touched == 0);
    }
    const MountSpec file{
        .source = (dir.path() / "file").native(), .target = "/dangling", .flags = MS_BIND};
    in_mount_namespace([&] {
        return error_of([&] { drydock::mount_inside(dir.path() / "root", std::vector{file}); });
    });
    CHECK(fs::is_empty(canary));
}

TEST_CASE("mount_inside: at /proc only a whole procfs is bound", "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    const auto bound = [&](const char* source) {
        return in_mount_namespace([&] {
            const std::vector<MountSpec> mounts = {
                {.source = source, .target = "/proc", .flags = MS_BIND | MS_REC}};
            try {
                drydock::mount_inside(dir.path(), mounts);
                return fs::exists(dir.path() / "proc/self") ? 0 : 1;
            } catch (const drydock::InputError&) {
                return 2;
            }
        });
    };
    CHECK(bound("/proc") == 0);
    CHECK(bound("/proc/self") == 2);
    CHECK(bound("/") == 2);
}

TEST_CASE("mount_inside: propagation is set when it is asked for", "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    MountSpec shared = tmpfs_at("/x");
    shared.propagation = MS_SHARED;
    const int is_shared = in_mount_namespace([&] {
        drydock::mount_inside(dir.path(), std::vector{shared});
        std::ifstream mounts("/proc/self/mountinfo");
        for (std::string line; std::getline(mounts, line);) {
            if (line.find(dir.path().native() + "/x ") != std::string::npos) {
                return line.find(" shared:") != std::string::npos ? 1 : 0;
            }
        }
        return 2;
    });
    CHECK(is_shared == 1);
}

TEST_CASE("pivot_to: neither / nor /.. leads to the old root", "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    const int old_root_is_reachable = in_mount_namespace([&] {
        drydock::mount_fs(tmpfs_at(dir.path()));
        drydock::pivot_to(dir.path());
        return fs::exists("/proc") || fs::exists("/../proc") || fs::current_path() != "/" ? 1 : 0;
    });
    CHECK(old_root_is_reachable == 0);
}

TEST_CASE("pivot_to: nothing of the old root is in the mount table", "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    const int mounts = in_mount_namespace([&] {
        drydock::mount_fs(tmpfs_at(dir.path()));
        drydock::mount_inside(
            dir.path(),
            std::vector<MountSpec>{{.source = "proc", .target = "/proc", .type = "proc"}});
        drydock::pivot_to(dir.path());
        std::ifstream in("/proc/self/mountinfo");
        int count = 0;
        for (std::string line; std::getline(in, line);) {
            ++count;
        }
        return count;
    });
    CHECK(mounts == 2);
}

TEST_CASE("pivot_to: a host that shares its mounts keeps them", "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    const auto mounts = [] {
        const std::string text = drydock::read_file("/proc/self/mountinfo");
        return std::count(text.begin(), text.end(), '\n');
    };
    // The root is on the host's own mount, or on one below it.
    for (const bool below : {false, true}) {
        CAPTURE(below);
        const fs::path root = dir.path() / (below ? "below/root" : "root");
        const int lost = in_mount_namespace([&] {
            drydock::mount_fs({.target = "/", .flags = MS_REC | MS_SHARED});
            if (below) {
                fs::create_directory(dir.path() / "below");
                drydock::mount_fs(tmpfs_at(dir.path() / "below"));
            }
            fs::create_directory(root);
            const auto before = mounts();
            const int failed = in_child([&] {
                drydock::check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
                // As for "rootfsPropagation": "shared": only the mount that the root is on is
                // private.
                drydock::detach_mount_events(MS_SHARED, false, root);
                drydock::mount_rootfs({.directory = root});
                drydock::pivot_to(root);
                return 0;
            });
            return failed != 0 ? 2 : mounts() == before ? 0 : 1;
        });
        CHECK(lost == 0);
    }
}

TEST_CASE("pivot_to: the way out of a chroot leads nowhere", "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    const int is_out = in_mount_namespace([&] {
        drydock::mount_fs(tmpfs_at(dir.path()));
        drydock::pivot_to(dir.path());
        if (::mkdir("x", 0700) == -1 || ::chroot("x") == -1) {
            return 2;
        }
        for (int i = 0; i < 64; ++i) {
            static_cast<void>(!::chdir(".."));
        }
        return ::chroot(".") == 0 && fs::exists("/etc") ? 1 : 0;
    });
    CHECK(is_out == 0);
}

TEST_CASE("pivot_to: EBUSY or EINVAL for a directory that is not a mount point", "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    const int error =
        in_mount_namespace([&] { return error_of([&] { drydock::pivot_to(dir.path()); }); });
    CHECK((error == EBUSY || error == EINVAL));  // EBUSY: it is on the very mount that is the root
}

TEST_CASE("make_root_readonly: / cannot be written, what is mounted below can", "[02][rootfs]") {
    const drydock::TempDir dir("drydock-test");
    const int fact = in_mount_namespace([&] {
        drydock::mount_fs(tmpfs_at(dir.path()));
        drydock::mount_inside(dir.path(), std::vector{tmpfs_at("/below")});
        drydock::pivot_to(dir.path());
        drydock::make_root_readonly();
        return !std::ofstream("/x").good() && std::ofstream("/below/x").good() ? 0 : 1;
    });
    CHECK(fact == 0);
}
