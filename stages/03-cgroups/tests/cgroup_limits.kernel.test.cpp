// Each limit proven by what it does, on every form of cgroups that offers it.
#include <fcntl.h>
#include <sched.h>
#include <sys/xattr.h>

#include <csignal>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

#include "cgroup_delegation.hpp"
#include "cgroup_fixture.hpp"

namespace fs = std::filesystem;
using drydock::Cgroup;
using drydock::Child;
using drydock::Hierarchy;
using drydock::HierarchyKind;
using drydock::InputError;
using drydock::Limits;
using drydock::make_cgroup;
using namespace drydock::testing;

namespace {

bool has_huge_pages() {
    return fs::exists("/sys/kernel/mm/hugepages/hugepages-2048kB");
}

Limits with_hugetlb(const char* size) {
    Limits limits;
    limits.hugetlb = {{.page_size = size, .bytes = 4 << 20}};
    return limits;
}

}  // namespace

TEST_CASE("limits: a cpuset is where the processes run", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"cpuset"})) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {.cpuset_cpus = "0"}, hierarchy);
        CHECK(joined(cgroup, [] {
                  cpu_set_t cpus{};
                  ::sched_getaffinity(0, sizeof cpus, &cpus);
                  return CPU_COUNT(&cpus) == 1 && CPU_ISSET(0, &cpus) ? 0 : 1;
              }).wait() == 0);
        CHECK_THROWS_WITH(
            make_cgroup(unique_group_name(), {.cpuset_cpus = "4000"}, hierarchy),
            ContainsSubstring("numbers of CPUs or memory nodes that this machine has"));
    }
}

TEST_CASE("limits: shares, burst, idle, reservation and swappiness are in their files",
          "[03][cgroup]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"cpu", "memory"})) {
        CAPTURE(to_text(hierarchy.kind));
        const bool v2 = hierarchy.kind == HierarchyKind::V2;
        Cgroup cgroup = make_cgroup(unique_group_name(),
                                    {.nano_cpus = 500'000'000,
                                     .cpu_shares = 512,
                                     .memory_reservation_bytes = 32 << 20,
                                     .swappiness = 7,
                                     .cpu_burst_us = 5000},
                                    hierarchy);
        CHECK(text_in(cgroup, v2 ? "cpu.weight" : "cpu.shares") == (v2 ? "20" : "512"));
        CHECK(text_in(cgroup, v2 ? "cpu.max.burst" : "cpu.cfs_burst_us") == "5000");
        CHECK(text_in(cgroup, v2 ? "memory.low" : "memory.soft_limit_in_bytes") == "33554432");
        CHECK(cgroup.warnings().size() == (v2 ? 1 : 0));
        if (!v2) {
            CHECK(text_in(cgroup, "memory.swappiness") == "7");
        }
        cgroup.set({.cpu_idle = 1});
        CHECK(text_in(cgroup, "cpu.idle") == "1");
        cgroup.set({.cpu_shares = 1024, .cpu_idle = 0});
        CHECK(text_in(cgroup, v2 ? "cpu.weight" : "cpu.shares") == (v2 ? "39" : "1024"));
    }
}

TEST_CASE("limits: one that is out of the OOM killer's reach waits instead of dying",
          "[03][cgroup]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"memory"})) {
        if (hierarchy.kind == HierarchyKind::V2) {
            continue;
        }
        Cgroup cgroup = make_cgroup(
            unique_group_name(),
            {.memory_bytes = 8 << 20, .memory_swap_bytes = 8 << 20, .disable_oom_killer = true},
            hierarchy);
        Child child = joined(cgroup, eat_memory);
        CHECK(becomes_true([&] {
            return drydock::read_file(cgroup.directories().at(0) / "memory.oom_control")
                       .find("under_oom 1") != std::string::npos;
        }));
        CHECK(cgroup.oom_kills() == 0);
        cgroup.kill();
        CHECK(child.wait() == 128 + SIGKILL);
    }
    SUCCEED();
}

TEST_CASE("limits: with oom group everybody of it dies, not one", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"memory"})) {
        if (hierarchy.kind != HierarchyKind::V2) {
            continue;
        }
        Cgroup cgroup = make_cgroup(
            unique_group_name(),
            {.memory_bytes = 8 << 20, .memory_swap_bytes = 8 << 20, .oom_group = true}, hierarchy);
        Child bystander = joined(cgroup, sleep_forever);
        REQUIRE(becomes_true([&] { return cgroup.populated(); }));
        CHECK(joined(cgroup, eat_memory).wait() == 128 + SIGKILL);
        CHECK(bystander.wait() == 128 + SIGKILL);
    }
    SUCCEED();
}

TEST_CASE("limits: huge pages are limited wherever the controller is", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        const bool offered =
            offers(hierarchy, "hugetlb") || hierarchy.kind == HierarchyKind::Hybrid;
        if (!has_huge_pages()) {
            continue;
        }
        if (!offered) {
            CHECK_THROWS_WITH(make_cgroup(unique_group_name(), with_hugetlb("2MB"), hierarchy),
                              ContainsSubstring("hugetlb limit cannot be had"));
            continue;
        }
        Cgroup cgroup = make_cgroup(unique_group_name(), with_hugetlb("2MB"), hierarchy);
        CHECK(text_in(cgroup, "hugetlb.2MB.max") + text_in(cgroup, "hugetlb.2MB.limit_in_bytes") ==
              "4194304");
        CHECK(cgroup.statistics().hugetlb.at("2MB").limit == 4 << 20);
        CHECK(joined(cgroup, [] { return 0; }).wait() == 0);
        CHECK_THROWS_WITH(make_cgroup(unique_group_name(), with_hugetlb("3MB"), hierarchy),
                          ContainsSubstring("hugetlb limit cannot be had"));
    }
    SUCCEED();
}

TEST_CASE("limits: I/O limits name a disk that is there", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (!offers(hierarchy, hierarchy.kind == HierarchyKind::V2 ? "io" : "blkio")) {
            continue;
        }
        CAPTURE(to_text(hierarchy.kind));
        Limits limits;
        limits.io.read_bytes = {{.major = 4095, .minor = 7, .value = 1048576}};
        CHECK_THROWS_WITH(make_cgroup(unique_group_name(), limits, hierarchy),
                          ContainsSubstring("limit: write(") && ContainsSubstring("4095:7") &&
                              ContainsSubstring("/sys/dev/block"));
    }
    SUCCEED();
}

TEST_CASE("limits: unified keys reach their file, and only one that limits", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        Limits limits;
        limits.unified = {{"cgroup.max.descendants", "5"}};
        if (hierarchy.kind == HierarchyKind::V1) {
            CHECK_THROWS_WITH(make_cgroup(unique_group_name(), limits, hierarchy),
                              ContainsSubstring("a file of cgroup v2"));
            continue;
        }
        Cgroup cgroup = make_cgroup(unique_group_name(), limits, hierarchy);
        CHECK(text_in(cgroup, "cgroup.max.descendants") == "5");
        Limits unknown;
        unknown.unified = {{"memory.nonsense", "1"}};
        CHECK_THROWS_WITH(cgroup.set(unknown), ContainsSubstring("unified setting") &&
                                                   ContainsSubstring("cannot be had"));
        Limits escaping;
        escaping.unified = {{"../cgroup.procs", "1"}};
        CHECK_THROWS_AS(cgroup.set(escaping), InputError);
    }
}

TEST_CASE("limits: what only v1 has is refused clearly on v2, and where v1 lacks it",
          "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        if (offers(hierarchy, "net_cls")) {
            continue;
        }
        Limits limits;
        limits.net_class_id = 1;
        CHECK_THROWS_WITH(make_cgroup(unique_group_name(), limits, hierarchy),
                          ContainsSubstring("network class") && ContainsSubstring("cannot be had"));
    }
}

// C10
TEST_CASE("limits: a fork bomb stays in its group and dies whole", "[03][cgroup][security]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"pids"})) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {.pids = 64}, hierarchy);
        const std::vector<fs::path> directories = cgroup.directories();
        const Child bomb = joined(cgroup, [] {
            for (;;) {
                ::fork();
            }
            return 0;
        });
        REQUIRE(becomes_true([&] { return cgroup.statistics().pids == 64; }));
        CHECK(in_child([] { return 0; }) == 0);  // we can still fork
        cgroup.remove();
        CHECK(all_gone(directories));
    }
}

TEST_CASE("limits: a memory bomb kills its own group only", "[03][cgroup][security]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"memory"})) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup bystanders = make_cgroup(unique_group_name(), {.memory_bytes = 16 << 20}, hierarchy);
        const Child bystander = joined(bystanders, sleep_forever);
        Cgroup cgroup =
            make_cgroup(unique_group_name(),
                        {.memory_bytes = 8 << 20, .memory_swap_bytes = 8 << 20}, hierarchy);
        CHECK(joined(cgroup, [] {
                  for (int i = 0; i < 4; ++i) {
                      if (::fork() == 0) {
                          break;
                      }
                  }
                  return eat_memory();
              }).wait() == 128 + SIGKILL);
        CHECK(becomes_true([&] { return !cgroup.populated(); }));
        CHECK(bystanders.populated());
        CHECK(bystanders.oom_kills() == 0);
    }
}

TEST_CASE("make_cgroup: a slice of systemd is refused by its name", "[03][cgroup]") {
    CHECK_THROWS_WITH(
        make_cgroup("system.slice:docker:abc", {}),
        ContainsSubstring("not implemented") && ContainsSubstring("system.slice:docker:abc"));
}

TEST_CASE("make_cgroup: an absolute path is below the tree's root, a relative one below drydock",
          "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        const std::string name = unique_group_name();
        Cgroup absolute = make_cgroup("/" + name, {}, hierarchy);
        Cgroup relative = make_cgroup(name, {}, hierarchy);
        CHECK(absolute.place().path == name);
        CHECK(relative.place().path == "drydock/" + name);
        for (const fs::path& directory : absolute.directories()) {
            CHECK(directory.parent_path().filename() != "drydock");
        }
    }
}

TEST_CASE("make_cgroup: a parent that is a link to elsewhere is not followed",
          "[03][cgroup][security]") {
    // Nobody can make a link in a cgroup file system, so the tree itself is the one that lies.
    const drydock::TempDir directory("fake-cgroups");
    fs::create_directories(directory.path() / "memory/drydock");
    Hierarchy fake{.kind = HierarchyKind::V1, .root = directory.path(), .controllers = {"memory"}};
    CHECK_THROWS_WITH(make_cgroup("x", {}, fake), ContainsSubstring("not a directory of a cgroup"));
    fake = {.kind = HierarchyKind::V2, .root = directory.path()};
    CHECK_THROWS_WITH(make_cgroup("x", {}, fake), ContainsSubstring("not a directory of a cgroup"));
    CHECK(!fs::exists(directory.path() / "memory/drydock/x"));
    CHECK(!fs::exists(directory.path() / "drydock"));
}

TEST_CASE("make_cgroup: on v2 somebody to whom a group is given makes groups in it with limits",
          "[03][cgroup]") {
    constexpr unsigned kNobody = 65534;
    const Hierarchy hierarchy = drydock::find_hierarchy();
    if (hierarchy.kind != HierarchyKind::V2) {
        SUCCEED("no pure v2 here; tools/test-vm has it");
        return;
    }
    // As systemd gives a user's manager a subtree: the user's shell sits in a scope of it.
    Cgroup given = make_cgroup(unique_group_name(), {.pids = 100}, hierarchy);
    const fs::path top = given.directories().at(0);
    fs::create_directory(top / "shell.scope");
    for (const fs::path& directory : {top, top / "shell.scope"}) {
        for (const char* file : {"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"}) {
            const fs::path path = *file == '\0' ? directory : directory / file;
            REQUIRE(::chown(path.c_str(), kNobody, kNobody) == 0);
        }
    }
    const int fact = in_child([&] {
        drydock::write_once(AT_FDCWD, (top / "shell.scope/cgroup.procs").native(), "0");
        return in_child_as(kNobody, [&] {
            Cgroup cgroup = make_cgroup("mine", {.memory_bytes = 16 << 20, .pids = 10}, hierarchy);
            const bool placed = cgroup.directories().at(0) == top / "drydock/mine" &&
                                hierarchy.root / cgroup.place().path == top / "drydock/mine";
            const bool limited = text_in(cgroup, "memory.max") == "16777216";
            const int inside = joined(cgroup, [] { return 0; }).wait() +
                               joined(cgroup, [] { return 0; }, true).wait();
            cgroup.remove();
            return (placed ? 0 : 1) + (limited ? 0 : 2) + (inside == 0 ? 0 : 4) +
                   (fs::exists(top / "drydock") ? 8 : 0);
        });
    });
    CHECK(fact == 0);
}

TEST_CASE("delegation: with systemd a group that was given away is where groups go",
          "[03][cgroup]") {
    const Hierarchy hierarchy = drydock::find_hierarchy();
    if (hierarchy.kind != HierarchyKind::V2) {
        SUCCEED("no pure v2 here; tools/test-vm has it");
        return;
    }
    const drydock::TempDir systemd("run-systemd");
    Cgroup given = make_cgroup(unique_group_name(), {}, hierarchy);
    const fs::path top = given.directories().at(0);
    const auto delegated_inside = [&](const fs::path& marker) {
        return in_child([&] {
            drydock::write_once(AT_FDCWD, (top / "cgroup.procs").native(), "0");
            return drydock::lives_in_delegated_group(hierarchy.root, marker) ? 1 : 0;
        });
    };
    CHECK(delegated_inside(systemd.path()) == 0);
    REQUIRE(::setxattr(top.c_str(), "trusted.delegate", "1", 1, 0) == 0);
    CHECK(delegated_inside(systemd.path()) == 1);
    CHECK(delegated_inside("/nowhere") == 0);
}
