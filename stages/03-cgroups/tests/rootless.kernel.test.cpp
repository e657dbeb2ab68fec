// drydock-runtime without root: with the one ID that the kernel lets anybody map, and with the
// ranges that newuidmap(1) gives.
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "01-chroot/check.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"
#include "testing/skip.hpp"

#include "conformance_bundle.hpp"
#include "life.hpp"

namespace fs = std::filesystem;
using namespace drydock::testing;
using drydock::check;
using nlohmann::json;

namespace {

constexpr uid_t kOwner = 65534;  // newuidmap(1) wants one that has a name
constexpr uid_t kFirstOfRange = 600000;

json id_range(unsigned inside, unsigned outside, unsigned count) {
    return {{"containerID", inside}, {"hostID", outside}, {"size", count}};
}

/// A bundle, and a copy of the runtime, that belong to somebody who is nobody here.
class RootlessBundle {
  public:
    explicit RootlessBundle(const json& maps) {
        bundle_.linux_part()["namespaces"].push_back({{"type", "user"}});
        bundle_.linux_part()["uidMappings"] = maps;
        bundle_.linux_part()["gidMappings"] = maps;
        bundle_.config["hostname"] = "rootless";
        fs::create_directory(bundle_.state());
        fs::copy_file(program_path("drydock-runtime"), place() / "drydock-runtime");
    }
    ConformanceBundle& bundle() { return bundle_; }
    [[nodiscard]] fs::path place() const { return bundle_.directory().parent_path(); }

    void write() const {
        bundle_.write();
        fs::permissions(place(), fs::perms(0755));
        for (const auto& entry : fs::recursive_directory_iterator(place())) {
            check(::lchown(entry.path().c_str(), kOwner, kOwner), "lchown()");
        }
    }
    [[nodiscard]] std::vector<std::string> command(
        const std::vector<std::string>& arguments) const {
        std::vector<std::string> argv = bundle_.command(arguments);
        argv.front() = (place() / "drydock-runtime").native();
        return argv;
    }
    [[nodiscard]] Outcome runtime(const std::vector<std::string>& arguments) const {
        return run_program(command(arguments));
    }

  private:
    ConformanceBundle bundle_{};
};

void become_owner() {
    check(::setgroups(0, nullptr), "setgroups()");
    check(::setresgid(kOwner, kOwner, kOwner), "setresgid()");
    check(::setresuid(kOwner, kOwner, kOwner), "setresuid()");
}

std::string as_owner(const std::function<std::string()>& body) {
    return text_from_child([&] {
        become_owner();
        return body();
    });
}

/// Under /etc/subuid and /etc/subgid that give the owner `count` IDs.
std::string with_ranges(unsigned count, const fs::path& place,
                        const std::function<std::string()>& body) {
    return text_from_child([&] {
        check(::unshare(CLONE_NEWNS), "unshare()");
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount()");
        const fs::path file = place / "ranges";
        std::ofstream(file) << kOwner << ":" << kFirstOfRange << ":" << count << "\n";
        for (const char* target : {"/etc/subuid", "/etc/subgid"}) {
            check(::mount(file.c_str(), target, nullptr, MS_BIND, nullptr), "mount({})", target);
        }
        become_owner();
        return body();
    });
}

}  // namespace

TEST_CASE("rootless: with one ID a container runs in the posture that root's has",
          "[03][rootless]") {
    RootlessBundle rootless(json::array({id_range(0, kOwner, 1)}));
    rootless.bundle().process()["args"] = {"/probe"};
    rootless.bundle().process()["noNewPrivileges"] = true;
    rootless.write();
    const std::string text = as_owner([&] {
        const Outcome outcome = rootless.runtime(
            {"run", "-b", rootless.bundle().directory().native(), ConformanceBundle::id()});
        return outcome.status == 0 ? outcome.out : outcome.err;
    });
    INFO(text);
    const json world = json::parse(text, nullptr, false);
    REQUIRE(world.is_object());
    CHECK(world["uid"] == 0);
    CHECK(world["hostname"] == "rootless");
    CHECK(world["status"]["NoNewPrivs"] == "1");
    CHECK(world["status"]["CapEff"] == "0000000000000000");
    CHECK(world["status"]["CapBnd"] == "0000000000000000");
    CHECK(world["uid_map"].dump().find(std::to_string(kOwner)) != std::string::npos);
    for (const char* name : {"mnt", "pid", "net", "ipc", "uts", "user"}) {
        struct stat host{};
        check(::stat(fmt::format("/proc/self/ns/{}", name).c_str(), &host), "stat()");
        CHECK(world["namespaces"][name] != host.st_ino);
    }
    CHECK(world["descriptors"].size() == 3);
}

TEST_CASE("rootless: created, started, joined, killed and deleted without root", "[03][rootless]") {
    RootlessBundle rootless(json::array({id_range(0, kOwner, 1)}));
    rootless.bundle().shell("exec busybox sleep 1000");
    rootless.write();
    const std::string id = ConformanceBundle::id();
    const std::string said = as_owner([&] {
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        std::string all;
        const auto tell = [&](const std::vector<std::string>& arguments) {
            const Outcome outcome = run_to_files(rootless.command(arguments));
            all += fmt::format("{} {}: {}{}\n", arguments.front(), outcome.status, outcome.out,
                               outcome.err);
            return outcome;
        };
        tell({"create", "-b", rootless.bundle().directory().native(), id});
        tell({"start", id});
        tell({"exec", id, "/bin/sh", "-c", "hostname"});
        tell({"kill", id, "KILL"});
        becomes_true([&] {
            return rootless.runtime({"state", id}).out.find("stopped") != std::string::npos;
        });
        tell({"delete", id});
        return all;
    });
    CHECK(said ==
          "create 0: \nstart 0: \nexec 0: rootless\n\nkill 0: \ndelete "
          "0: \n");
    CHECK(fs::is_empty(rootless.bundle().state()));
}

TEST_CASE("rootless: what waits for the start is a sealed copy of the program", "[03][rootless]") {
    RootlessBundle rootless(json::array({id_range(0, kOwner, 1)}));
    rootless.bundle().shell("exec busybox sleep 1000");
    rootless.write();
    const std::string id = ConformanceBundle::id();
    const std::string state = as_owner([&] {
        run_to_files(
            rootless.command({"create", "-b", rootless.bundle().directory().native(), id}));
        return rootless.runtime({"state", id}).out;
    });
    INFO(state);
    // It cannot have a read-only mount of its own: its owner may not mount.
    CHECK(fs::read_symlink(fmt::format("/proc/{}/exe", json::parse(state).at("pid").get<int>())) ==
          "/memfd:drydock (deleted)");
    as_owner([&] { return rootless.runtime({"delete", "--force", id}).out; });
    CHECK(fs::is_empty(rootless.bundle().state()));
}

TEST_CASE("rootless: with ranges its users are users of the host that nobody else is",
          "[03][rootless]") {
    if (!installed_or_skipped("newuidmap")) {
        return;
    }
    RootlessBundle rootless(
        json::array({id_range(0, kOwner, 1), id_range(1, kFirstOfRange, 1000)}));
    rootless.bundle().process()["user"] = {
        {"uid", 5}, {"gid", 6}, {"additionalGids", json::array({7, 1000})}};
    fs::permissions(rootless.bundle().host("shared"), fs::perms(0777));
    rootless.bundle().add_mount("/mnt", "bind", rootless.bundle().host("shared").native(),
                                {"bind"});
    rootless.bundle().shell("busybox id; touch /mnt/made");
    rootless.write();
    const auto run = [&] {
        const Outcome outcome = rootless.runtime(
            {"run", "-b", rootless.bundle().directory().native(), ConformanceBundle::id()});
        return outcome.out + outcome.err;
    };
    CHECK_THAT(with_ranges(1000, rootless.place(), run),
               ContainsSubstring("uid=5 gid=6 groups=7,1000"));
    struct stat made{};
    check(::stat((rootless.bundle().host("shared") / "made").c_str(), &made), "stat(made)");
    CHECK(made.st_uid == kFirstOfRange + 4);
    CHECK(made.st_gid == kFirstOfRange + 5);
    // Fewer than the bundle asks for.
    const std::string refused = with_ranges(10, rootless.place(), run);
    CHECK_THAT(refused, ContainsSubstring("/etc/subuid") && !ContainsSubstring("uid=5"));
}
