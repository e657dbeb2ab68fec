// Attacks through paths, mounts and descriptors that a root or a volume prepares. Each was seen red
// on runc 1.1.5 (DRYDOCK_RUNTIME=/usr/sbin/runc) or with that one defence taken out:
// docs/threat-model.md.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/file.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

#include "conformance_bundle.hpp"
#include "life.hpp"

namespace fs = std::filesystem;
using drydock::Child;
using namespace drydock::testing;
using nlohmann::json;

namespace {

/// A tree of the host that no container may change, and all that there is to see of it.
class Canary {
  public:
    explicit Canary(fs::path place) : place_(std::move(place)) {
        fs::create_directories(place_ / "directory");
        std::ofstream(place_ / "file") << "untouched\n";
        fs::create_symlink("file", place_ / "link");
        before_ = seen();
    }
    [[nodiscard]] bool untouched() const { return seen() == before_; }
    [[nodiscard]] const fs::path& path() const { return place_; }

  private:
    [[nodiscard]] std::vector<std::string> seen() const {
        std::vector<std::string> all = {line(place_)};
        for (const auto& entry : fs::recursive_directory_iterator(place_)) {
            all.push_back(line(entry.path()));
        }
        std::sort(all.begin(), all.end());
        return all;
    }
    static std::string line(const fs::path& path) {
        struct stat s{};
        drydock::check(::lstat(path.c_str(), &s), "lstat({})", path.native());
        return fmt::format("{} {} {:o} {}:{} {} {}.{}", path.native(), s.st_ino, s.st_mode,
                           s.st_uid, s.st_gid, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
    }

    fs::path place_;
    std::vector<std::string> before_{};
};

/// Exchanges two names for each other until it is ended.
Child start_swapper(const fs::path& one, const fs::path& other) {
    Child child = drydock::clone_child(0);
    if (!child) {
        while (true) {
            ::syscall(SYS_renameat2, AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(),
                      2U /* RENAME_EXCHANGE */);
        }
    }
    return child;
}

std::size_t host_mounts() {
    const std::string text = drydock::read_file("/proc/self/mountinfo");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

/// When a race has gone on long enough, however few starts an emulated machine has managed.
std::chrono::steady_clock::time_point time_of_race() {
    return std::chrono::steady_clock::now() + std::chrono::seconds(15);
}

}  // namespace

TEST_CASE("A3: a mount target that becomes a link to the host leads nowhere outside",
          "[03][security]") {
    constexpr int kStarts = 150;
    for (const char* leads_to : {"/", "../../../../../..", "/proc/self/root"}) {
        CAPTURE(leads_to);
        ConformanceBundle bundle;
        const Canary canary(bundle.host("canary"));
        const fs::path volume = bundle.host("volume");
        fs::create_directories(volume / "target" / "tmp");
        fs::create_symlink(leads_to, volume / "link");
        std::ofstream(bundle.host("data") / "file") << "x";
        bundle.add_mount("/mnt", "bind", volume.native(), {"rbind"});
        const std::string inside = "/mnt/target" + canary.path().native();
        bundle.add_mount(inside, "tmpfs", "t", {"size=64k"});
        bundle.add_mount(inside + "/made", "bind", bundle.host("data").native(), {"bind", "ro"});
        bundle.add_mount("/mnt/target" + canary.path().native() + "/file2", "bind",
                         (bundle.host("data") / "file").native(), {"bind"});
        bundle.shell("true");
        bundle.write();
        const std::size_t mounts = host_mounts();
        const Child swapper = start_swapper(volume / "target", volume / "link");
        const auto enough = time_of_race();
        for (int i = 0; i < kStarts && std::chrono::steady_clock::now() < enough; ++i) {
            static_cast<void>(bundle.run_written());  // works, or fails cleanly
        }
        CHECK(canary.untouched());
        CHECK(host_mounts() == mounts);
    }
}

TEST_CASE("A4: what hides files is the null device, whatever the root has in its place",
          "[03][security]") {
    const char* const stand_ins[] = {"/proc/sys/kernel/domainname", "/etc/passwd", "/dev/zero"};
    for (const char* stand_in : stand_ins) {
        CAPTURE(stand_in);
        ConformanceBundle bundle;
        const fs::path dev = bundle.host("dev");
        fs::create_symlink(stand_in, dev / "null");
        bundle.add_mount("/dev", "bind", dev.native(), {"bind"});
        bundle.linux_part()["maskedPaths"] = {"/proc/timer_list"};
        bundle.shell("grep timer_list /proc/self/mountinfo; echo started");
        check_refused(bundle);
    }
}

TEST_CASE("A4: a link in the place of the null device is swapped in while containers start",
          "[03][security]") {
    ConformanceBundle bundle;
    const fs::path dev = bundle.host("dev");
    drydock::check(::mknod((dev / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)), "mknod()");
    fs::create_symlink("/proc/sys/kernel/domainname", dev / "link");
    bundle.add_mount("/dev", "bind", dev.native(), {"bind"});
    bundle.linux_part()["maskedPaths"] = {"/proc/timer_list"};
    bundle.shell(
        "grep -q '/sys/kernel' /proc/self/mountinfo && echo BROKEN; wc -c < /proc/timer_list");
    bundle.write();
    const Child swapper = start_swapper(dev / "null", dev / "link");
    int hidden = 0;
    const auto enough = time_of_race();
    for (int i = 0; i < 150 && std::chrono::steady_clock::now() < enough; ++i) {
        const Outcome outcome = bundle.run_written();
        if (outcome.status == 0) {
            CHECK(outcome.out == "0\n");
            ++hidden;
        }
    }
    CHECK(hidden > 0);
}

TEST_CASE("A5: /proc is a proc filesystem at /proc, with nothing mounted below", "[03][security]") {
    ConformanceBundle link;
    fs::remove(link.rootfs() / "proc");
    fs::create_symlink("tmp", link.rootfs() / "proc");
    link.shell("echo started");
    check_refused(link);

    for (const char* place : {"/proc", "/proc/self/attr", "/proc/sys/net", "/proc/sys/kernel",
                              "/proc/self/exe", "/tmp/../proc/sys"}) {
        CAPTURE(place);
        ConformanceBundle bundle;
        bundle.add_mount(place, "tmpfs", "t", {});
        bundle.shell("echo started");
        check_refused(bundle);
        bundle.config["mounts"].back() =
            ConformanceBundle::mount(place, "bind", bundle.host("data").native(), {"bind"});
        check_refused(bundle);
    }
}

TEST_CASE("A5: a figure of the container's own may be mounted over the host's", "[03][security]") {
    ConformanceBundle bundle;
    std::ofstream(bundle.host("data") / "uptime") << "1.00 1.00\n";
    bundle.add_mount("/proc/uptime", "bind", (bundle.host("data") / "uptime").native(), {"bind"});
    bundle.shell("cat /proc/uptime");
    CHECK(bundle.run().out == "1.00 1.00\n");
}

TEST_CASE("A6: nothing is made where a link in the place of /dev leads", "[03][security]") {
    for (const bool with_mount : {true, false}) {
        CAPTURE(with_mount);
        ConformanceBundle bundle;
        const Canary canary(bundle.host("canary"));
        fs::remove(bundle.rootfs() / "dev");
        fs::create_symlink(canary.path(), bundle.rootfs() / "dev");
        if (!with_mount) {
            json& mounts = bundle.config["mounts"];
            mounts.erase(mounts.begin() + 1, mounts.end());
        }
        bundle.shell("echo started");
        check_refused(bundle);
        CHECK(canary.untouched());
    }
}

TEST_CASE("A7: a working directory, a volume and a file go nowhere outside the root by its links",
          "[03][security]") {
    ConformanceBundle bundle;
    const Canary canary(bundle.host("canary"));
    fs::create_symlink(canary.path() / "new", bundle.rootfs() / "work");
    fs::create_symlink(canary.path(), bundle.rootfs() / "conf");
    fs::create_symlink("../../../../../../.." + canary.path().native(), bundle.rootfs() / "up");
    std::ofstream(bundle.host("data") / "hosts") << "h";
    bundle.process()["cwd"] = "/srv/deep";
    bundle.add_mount("/conf/hosts", "bind", (bundle.host("data") / "hosts").native(), {"bind"});
    bundle.add_mount("/up/volume", "tmpfs", "t", {});
    bundle.shell("cat " + canary.path().native() + "/file");
    const Outcome outcome = bundle.run();
    CHECK_THAT(outcome.out, !ContainsSubstring("untouched"));
    CHECK(canary.untouched());
}

TEST_CASE("A8: no way leads back to the host's root", "[03][security]") {
    ConformanceBundle bundle;
    const Canary canary(bundle.host("canary"));
    const std::string file = (canary.path() / "file").native();
    bundle.capabilities({"CAP_SYS_CHROOT", "CAP_DAC_OVERRIDE"});
    const std::size_t mounts = host_mounts();
    bundle.process()["args"] = {"/probe", "leave-root", file};
    CHECK(bundle.run().status == 1);
    CHECK(fs::exists(bundle.rootfs() / "tmp/jail"));  // it was tried
    bundle.shell("cat /../../.." + file + " /proc/1/root" + file + " /proc/1/cwd/../../.." + file);
    CHECK(bundle.run().out.empty());
    bundle.shell("wc -l < /proc/self/mountinfo");
    CHECK(std::stoul(bundle.run().out) <= 4);  // the root, /proc, /dev, /dev/pts
    CHECK(host_mounts() == mounts);
}
