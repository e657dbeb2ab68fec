#include "02-namespaces/mount.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "02-namespaces/rootfs.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;
using drydock::testing::in_mount_namespace;

namespace {

bool can_write(const fs::path& directory) {
    return std::ofstream(directory / "written").good();
}

unsigned long flags_at(const fs::path& path) {
    struct statvfs status{};
    return ::statvfs(path.c_str(), &status) == 0 ? status.f_flag : 0;
}

/// A source directory with a mount of its own below it, and a target.
struct Places {
    drydock::TempDir dir{"drydock-test"};
    fs::path source = dir.path() / "source";
    fs::path below = source / "below";
    fs::path target = dir.path() / "target";
    Places() {
        fs::create_directories(below);
        fs::create_directories(target);
    }
    void bind(unsigned long flags) const {
        drydock::mount_fs({.source = "tmpfs", .target = below, .type = "tmpfs"});
        const drydock::UniqueFd at = drydock::open_file(target, O_PATH);
        drydock::bind_at(at.get(), {.source = source.native(), .target = target, .flags = flags});
    }
};

}  // namespace

TEST_CASE("mount_fs: a failure names the call, its arguments and the errno", "[02][mount]") {
    const drydock::TempDir dir("drydock-test");
    CHECK_THROWS_WITH(
        drydock::mount_fs(
            {.source = "x", .target = dir.path(), .type = "nonsense", .flags = MS_NOSUID}),
        ContainsSubstring("mount(source=x, target=" + dir.path().native() +
                          ", type=nonsense, flags=MS_NOSUID") &&
            ContainsSubstring("No such device"));
    CHECK_THROWS_WITH(drydock::mount_fs({.source = "x", .target = "/nowhere", .type = "tmpfs"}),
                      ContainsSubstring("open(/nowhere"));
}

TEST_CASE("mount_fs: the filesystem is there, with flags and options", "[02][mount]") {
    const drydock::TempDir dir("drydock-test");
    const int fact = in_mount_namespace([&] {
        drydock::mount_fs({.source = "x",
                           .target = dir.path(),
                           .type = "tmpfs",
                           .flags = MS_NOEXEC,
                           .data = "mode=0711"});
        const bool right =
            (flags_at(dir.path()) & ST_NOEXEC) != 0 &&
            (fs::status(dir.path()).permissions() & fs::perms::all) == fs::perms(0711);
        return right ? 0 : 1;
    });
    CHECK(fact == 0);
}

TEST_CASE("detached_filesystem: flags, values and more lower directories than one option holds",
          "[02][mount]") {
    const drydock::TempDir dir("drydock-test");
    const std::string seen = drydock::testing::text_from_child([&] {
        drydock::check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
        drydock::make_mounts_private();
        const drydock::UniqueFd at = drydock::open_file(dir.path(), O_PATH);
        const drydock::MountSpec tmpfs{
            .source = "x", .target = dir.path(), .type = "tmpfs", .data = "mode=0711"};
        drydock::attach_at(at.get(), drydock::detached_filesystem(tmpfs), tmpfs);
        std::string lowers;
        for (char name = 'a'; name <= 'z'; ++name) {
            const fs::path lower = dir.path() / (std::string(20, name));
            fs::create_directory(lower);
            std::ofstream(lower / std::string(1, name)) << name;
            lowers += (lowers.empty() ? "" : ":") + lower.native();
        }
        const fs::path merged = dir.path() / "merged";
        fs::create_directory(merged);
        const drydock::UniqueFd place = drydock::open_file(merged, O_PATH);
        const drydock::MountSpec overlay{.source = "overlay",
                                         .target = merged,
                                         .type = "overlay",
                                         .data = "userxattr,lowerdir=" + lowers};
        drydock::attach_at(place.get(), drydock::detached_filesystem(overlay), overlay);
        const std::string options = drydock::read_file("/proc/self/mountinfo");
        const auto files = std::distance(fs::directory_iterator(merged), {});
        return options.substr(options.find(dir.path().native())) + std::to_string(files);
    });
    CHECK_THAT(seen, ContainsSubstring("mode=711") && ContainsSubstring("userxattr"));
    CHECK_THAT(seen, ContainsSubstring("\n26"));
}

TEST_CASE(
    "bind_at: the source is visible at the target, read-only holds for what is below when it is "
    "recursive",
    "[02][mount]") {
    const Places p;
    // As bits: 1 target writable, 2 what is mounted below writable, 4 source writable.
    const auto facts = [&](unsigned long flags) {
        return in_mount_namespace([&] {
            p.bind(flags);
            return (can_write(p.target) ? 1 : 0) + (can_write(p.target / "below") ? 2 : 0) +
                   (can_write(p.source) ? 4 : 0);
        });
    };
    CHECK(facts(MS_BIND | MS_REC) == 7);
    CHECK(facts(MS_BIND | MS_REC | MS_RDONLY) == 4);
    CHECK(facts(MS_BIND | MS_RDONLY) ==
          4);  // what is below does not come along, and its mount point is read-only too
}

TEST_CASE("bind_at: without MS_REC the mounts below the source stay behind", "[02][mount]") {
    const Places p;
    const int came_along = in_mount_namespace([&] {
        p.bind(MS_BIND);
        std::ofstream(p.below / "file") << "x";
        return fs::exists(p.target / "below/file") ? 1 : 0;
    });
    CHECK(came_along == 0);
}

TEST_CASE("bind_at: flags of the source are kept, and a failure names the source", "[02][mount]") {
    const Places p;
    const int fact = in_mount_namespace([&] {
        drydock::mount_fs(
            {.source = "tmpfs", .target = p.source, .type = "tmpfs", .flags = MS_NOSUID});
        const drydock::UniqueFd at = drydock::open_file(p.target, O_PATH);
        drydock::bind_at(
            at.get(),
            {.source = p.source.native(), .target = p.target, .flags = MS_BIND | MS_NODEV});
        const unsigned long flags = flags_at(p.target);
        return (flags & ST_NOSUID) != 0 && (flags & ST_NODEV) != 0 && (flags & ST_RDONLY) == 0 ? 0
                                                                                               : 1;
    });
    CHECK(fact == 0);
    const drydock::UniqueFd at = drydock::open_file(p.target, O_PATH);
    CHECK_THROWS_WITH(
        drydock::bind_at(at.get(), {.source = "/nowhere", .target = p.target, .flags = MS_BIND}),
        ContainsSubstring("open_tree(/nowhere"));
}
