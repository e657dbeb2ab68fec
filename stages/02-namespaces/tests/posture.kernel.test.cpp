// The default posture as a process inside sees it: as root, in a user namespace, and as nobody.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/temp_dir.hpp"
#include "02-namespaces/masks.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"
#include "testing/program.hpp"

namespace fs = std::filesystem;
using namespace drydock::testing;
using nlohmann::json;

namespace {

constexpr unsigned kUnprivileged = 65534;

/// One way to start a container with nothing but the defaults.
struct Way {
    const char* name;
    bool as_nobody;
    std::vector<std::string> flags;
};
const Way kWays[] = {{"as root", false, {}},
                     {"with a user namespace", false, {"--userns"}},
                     {"as nobody", true, {}}};

struct World {
    drydock::TempDir directory{"drydock-posture"};
    World() {
        fs::permissions(directory.path(), fs::perms(0755));
        make_test_rootfs(directory.path() / "root");
        fs::copy_file(program_path("drydock-02"), directory.path() / "drydock-02");
    }
    [[nodiscard]] std::string run(const Way& way, const std::vector<std::string>& command) const {
        std::vector<std::string> argv = {(directory.path() / "drydock-02").native(), "run"};
        argv.insert(argv.end(), way.flags.begin(), way.flags.end());
        argv.push_back((directory.path() / "root").native());
        argv.insert(argv.end(), command.begin(), command.end());
        return text_from_child([&] {
            if (way.as_nobody) {
                drydock::check(::setresgid(kUnprivileged, kUnprivileged, kUnprivileged),
                               "setresgid()");
                drydock::check(::setresuid(kUnprivileged, kUnprivileged, kUnprivileged),
                               "setresuid()");
            }
            const Outcome outcome = run_program(argv);
            return outcome.out + outcome.err;
        });
    }
    void give_to(unsigned id) const {
        drydock::check(::chown((directory.path() / "root").c_str(), id, id), "chown()");
        for (const auto& entry : fs::recursive_directory_iterator(directory.path() / "root")) {
            drydock::check(::lchown(entry.path().c_str(), id, id), "lchown()");
        }
    }
};

std::string words(const std::vector<std::string>& paths) {
    std::string text;
    for (const std::string& path : paths) {
        text += path + " ";
    }
    return text;
}

}  // namespace

TEST_CASE("posture: privileges, namespaces, devices and mounts are the declared defaults",
          "[02][posture]") {
    World world;
    for (const Way& way : kWays) {
        CAPTURE(way.name);
        world.give_to(way.as_nobody ? kUnprivileged : 0);
        const json seen = json::parse(world.run(way, {"/probe"}), nullptr, false);
        REQUIRE(seen.is_object());
        const json& status = seen["status"];
        CHECK(status["NoNewPrivs"] == "1");
        CHECK(status["Seccomp"] == "2");
        CHECK(status["CapInh"] == "0000000000000000");
        CHECK(status["CapAmb"] == "0000000000000000");
        CHECK(status["CapEff"] == "00000000a80425fb");
        CHECK(status["CapBnd"] == "00000000a80425fb");
        const std::string mounts = seen["mounts"].dump();
        for (const char* flags :
             {" /proc rw,nosuid,nodev,noexec", " /dev rw,nosuid", " /dev/pts rw,nosuid,noexec",
              " /dev/shm rw,nosuid,nodev,noexec", " /sys ro,nosuid,nodev,noexec"}) {
            CHECK_THAT(mounts, ContainsSubstring(flags));
        }
        for (const char* ns : {"mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
            const std::string link = fs::read_symlink(fs::path("/proc/self/ns") / ns).native();
            CHECK(seen["namespaces"][ns] != std::stoull(link.substr(link.find('[') + 1)));
        }
        CHECK(seen["descriptors"].size() == 3);
        CHECK(seen["limits"]["core"][0] == 0);
        CHECK(seen["interfaces"].size() == 1);
    }
}

TEST_CASE("C6: every masked path is empty, and cannot be uncovered from inside", "[02][posture]") {
    World world;
    const std::string script =
        "for p in " + words(drydock::default_masked_paths()) +
        "; do [ -e $p ] || continue; "
        "if [ -d $p ]; then n=$(ls -A $p | wc -l); else n=$(cat $p | wc -c); fi; "
        "[ $n = 0 ] || echo \"SEEN $p\"; "
        "umount $p 2>/dev/null && echo \"UNCOVERED $p\"; "
        "mount -o remount,bind,rw $p 2>/dev/null && echo \"WRITABLE $p\"; "
        "mount -t tmpfs t $p 2>/dev/null && echo \"COVERED $p\"; done; "
        "for p in " +
        words(drydock::default_readonly_paths()) +
        "; do [ -e $p ] || continue; touch $p 2>/dev/null && echo \"WRITTEN $p\"; "
        "mount -o remount,bind,rw $p 2>/dev/null && echo \"WRITABLE $p\"; done; "
        "(echo x > /proc/sys/kernel/domainname) 2>/dev/null && echo WRITTEN; echo end";
    fs::create_symlink("busybox", world.directory.path() / "root/bin/wc");
    for (const Way& way : kWays) {
        CAPTURE(way.name);
        world.give_to(way.as_nobody ? kUnprivileged : 0);
        CHECK(world.run(way, {"sh", "-c", script}) == "end\n");
    }
}
