// One behaviour suite for every form of cgroups that this machine offers: v1 or hybrid or v2, and
// on a hybrid the v2 tree by itself, with the few controllers that it has.
#include "03-cgroups/cgroup.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"
#include "testing/skip.hpp"

#include "cgroup_directory.hpp"
#include "cgroup_fixture.hpp"

namespace fs = std::filesystem;
using drydock::Cgroup;
using drydock::Child;
using drydock::Hierarchy;
using drydock::HierarchyKind;
using drydock::InputError;
using drydock::testing::all_gone;
using drydock::testing::becomes_true;
using drydock::testing::ContainsSubstring;
using drydock::testing::eat_memory;
using drydock::testing::in_child;
using drydock::testing::in_child_as;
using drydock::testing::joined;
using drydock::testing::offered_hierarchies;
using drydock::testing::offers;
using drydock::testing::sleep_forever;
using drydock::testing::unique_group_name;

namespace {

/// Whether every line of /proc/self/cgroup for which there is a directory names it.
bool is_inside(const std::string& name) {
    std::ifstream in("/proc/self/cgroup");
    for (std::string line; std::getline(in, line);) {
        if (line.ends_with("drydock/" + name)) {
            return true;
        }
    }
    return false;
}

}  // namespace

TEST_CASE("Cgroup: who joined is inside, a child born at once too", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        const std::string name = unique_group_name();
        Cgroup cgroup = drydock::make_cgroup(name, {}, hierarchy);
        const std::vector<fs::path> directories = cgroup.directories();
        REQUIRE(!directories.empty());
        CHECK(!all_gone(directories));
        const int status = joined(cgroup, [&] {
                               const pid_t grandchild = ::fork();
                               if (grandchild == 0) {
                                   ::_exit(is_inside(name) ? 0 : 1);
                               }
                               int ended = 0;
                               ::waitpid(grandchild, &ended, 0);
                               return is_inside(name) ? WEXITSTATUS(ended) : 2;
                           }).wait();
        CHECK(status == 0);
        CHECK(!cgroup.populated());
        cgroup.remove();
        CHECK(all_gone(directories));
        CHECK(!cgroup);
    }
}

TEST_CASE("Cgroup: kill reaches those who left for a session of their own", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = drydock::make_cgroup(unique_group_name(), {}, hierarchy);
        Child child = joined(cgroup, [] {
            if (::fork() == 0) {
                ::setsid();
                sleep_forever();
            }
            return 0;
        });
        CHECK(child.wait() == 0);
        CHECK(cgroup.populated());
        cgroup.kill();
        for (const fs::path& directory : cgroup.directories()) {
            if (hierarchy.kind != HierarchyKind::V2 && fs::exists(directory / "pids.max")) {
                CHECK(drydock::read_file(directory / "pids.max") ==
                      "0\n");  // nobody can be born any more
            }
        }
        CHECK(becomes_true([&] { return !cgroup.populated(); }));
    }
}

TEST_CASE("Cgroup: kill reaches those who are somebody else by the time they are found",
          "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (hierarchy.kind != HierarchyKind::V2 && !offers(hierarchy, "pids")) {
            continue;
        }
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = drydock::make_cgroup(unique_group_name(), {}, hierarchy);
        Child child = joined(cgroup, [] {
            constexpr int kAtOnce = 16;
            for (int i = 0; i < kAtOnce; ++i) {
                if (::fork() == 0) {
                    // Longer than becomes_true() waits, but not for ever: a kill that fails must
                    // not stay.
                    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
                    while (std::chrono::steady_clock::now() < end) {
                        if (::fork() > 0) {
                            ::_exit(0);
                        }
                    }
                    ::_exit(0);
                }
            }
            return 0;
        });
        CHECK(child.wait() == 0);
        CHECK(cgroup.populated());
        cgroup.kill();
        CHECK(becomes_true([&] { return !cgroup.populated(); }));
    }
}

TEST_CASE("Cgroup: its destructor ends who is inside and removes every directory", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        std::vector<fs::path> directories;
        Child child;
        {
            Cgroup cgroup = drydock::make_cgroup(unique_group_name(), {}, hierarchy);
            directories = cgroup.directories();
            child = joined(cgroup, sleep_forever);
            REQUIRE(becomes_true([&] { return cgroup.populated(); }));
        }
        CHECK(child.wait() == 128 + SIGKILL);
        CHECK(all_gone(directories));
    }
}

TEST_CASE("Cgroup: groups that were made inside it go with it", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = drydock::make_cgroup(unique_group_name(), {}, hierarchy);
        const std::vector<fs::path> directories = cgroup.directories();
        for (const fs::path& directory : directories) {
            fs::create_directories(directory / "a" / "b");
        }
        cgroup.remove();
        CHECK(all_gone(directories));
    }
}

TEST_CASE("make_cgroup: a group that somebody is in is refused and stays", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        const std::string name = unique_group_name();
        Cgroup cgroup = drydock::make_cgroup(name, {}, hierarchy);
        const Child child = joined(cgroup, sleep_forever);
        // In every tree: a group that somebody is about to join can still be taken.
        REQUIRE(becomes_true([&] {
            return std::ranges::none_of(cgroup.directories(), [](const fs::path& directory) {
                return drydock::processes_below(directory).empty();
            });
        }));
        CHECK_THROWS_WITH(drydock::make_cgroup(name, {}, hierarchy), ContainsSubstring("in use"));
        CHECK(cgroup.populated());
    }
}

TEST_CASE("make_group: below our own group, who joined is below it", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        const drydock::GroupPlace place{.path = "drydock/" + unique_group_name(),
                                        .below_own = true};
        Cgroup cgroup(drydock::make_group(hierarchy, place), place);
        std::vector<fs::path> directories = cgroup.directories();
        const Child child = joined(cgroup, sleep_forever);
        CHECK(becomes_true([&] { return cgroup.populated(); }));
        Cgroup again = drydock::open_cgroup(place, hierarchy);
        std::vector<fs::path> found = again.directories();
        std::ranges::sort(directories);
        std::ranges::sort(found);
        CHECK(found == directories);
        CHECK(again.populated());
        again.release();
        cgroup.remove();
        CHECK(all_gone(directories));
    }
}

TEST_CASE("Cgroup: groups above it that it was put below go when they are empty", "[03][cgroup]") {
    const std::string name = unique_group_name();
    Cgroup first = drydock::make_cgroup(name + "/a/b", {});
    Cgroup second = drydock::make_cgroup(name + "/c", {});
    const fs::path directory = first.directories().at(0);
    first.remove();
    CHECK(!fs::exists(directory.parent_path()));
    CHECK(fs::exists(directory.parent_path().parent_path()));
    second.remove();
    CHECK(!fs::exists(directory.parent_path().parent_path()));
}

TEST_CASE("make_cgroup: a path that leads out of its place is refused", "[03][cgroup]") {
    for (const char* path :
         {"..", "../x", "/../x", "a//b", "a/../../b", "", "/", ".", "a/", "//a", "/drydock"}) {
        CAPTURE(path);
        CHECK_THROWS_AS(drydock::make_cgroup(path, {}), InputError);
    }
}

TEST_CASE("Cgroup: a process over its memory is killed, and it shows as out of memory",
          "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (!offers(hierarchy, "memory")) {
            continue;
        }
        Cgroup cgroup = drydock::make_cgroup(
            unique_group_name(), {.memory_bytes = 8 << 20, .memory_swap_bytes = 8 << 20},
            hierarchy);
        CHECK(joined(cgroup, eat_memory).wait() == 128 + SIGKILL);
        CHECK(cgroup.statistics().oom_kills > 0);
        CHECK(cgroup.statistics().memory_peak_bytes <= 8 << 20);
    }
    SUCCEED();
}

TEST_CASE("Cgroup: a plain SIGKILL does not show as out of memory", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        Cgroup cgroup = drydock::make_cgroup(unique_group_name(), {}, hierarchy);
        Child child = joined(cgroup, sleep_forever);
        child.signal(SIGKILL);
        CHECK(child.wait() == 128 + SIGKILL);
        CHECK(cgroup.statistics().oom_kills == 0);
    }
}

TEST_CASE("Cgroup: a fork beyond the limit of processes fails", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (!offers(hierarchy, "pids")) {
            continue;
        }
        Cgroup cgroup = drydock::make_cgroup(unique_group_name(), {.pids = 5}, hierarchy);
        Child bomb = joined(cgroup, [] {
            int children = 0;
            while (true) {
                const pid_t pid = ::fork();
                if (pid == 0) {
                    sleep_forever();
                }
                if (pid == -1) {
                    return errno == EAGAIN ? children : 100;
                }
                ++children;
            }
        });
        CHECK(bomb.wait() == 4);
        CHECK(cgroup.statistics().pids == 4);
    }
    SUCCEED();
}

TEST_CASE("Cgroup: a process that wants more CPU than its quota is throttled", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (!offers(hierarchy, "cpu")) {
            continue;
        }
        Cgroup cgroup = drydock::make_cgroup(
            unique_group_name(), {.nano_cpus = 100'000'000, .cpu_period_us = 10'000}, hierarchy);
        const Child busy = joined(cgroup, [] {
            for (;;) {
                ::getppid();
            }
            return 0;
        });
        CHECK(becomes_true([&] { return cgroup.statistics().throttled_periods >= 3; }));
        CHECK(cgroup.statistics().cpu_ns > 0);
    }
    SUCCEED();
}

TEST_CASE("make_cgroup: on v1 a cpuset takes its parent's CPUs and memory nodes", "[03][cgroup]") {
    const Hierarchy hierarchy = drydock::find_hierarchy();
    if (hierarchy.kind == HierarchyKind::V2 || !offers(hierarchy, "cpuset")) {
        drydock::testing::skip_test("no cpuset of cgroup v1 here");
        return;
    }
    Cgroup cgroup = drydock::make_cgroup(unique_group_name(), {.cpuset_cpus = "0"}, hierarchy);
    CHECK(joined(cgroup, [] { return ::sysconf(_SC_NPROCESSORS_ONLN) > 0 ? 0 : 1; }).wait() == 0);
    for (const fs::path& directory : cgroup.directories()) {
        if (directory.native().find("cpuset") != std::string::npos) {
            CHECK(drydock::read_file(directory / "cpuset.cpus") == "0\n");
            CHECK(drydock::read_file(directory.parent_path() / "cpuset.cpus") ==
                  drydock::read_file(hierarchy.root / "cpuset/cpuset.cpus"));
            CHECK(drydock::read_file(directory / "cpuset.mems") ==
                  drydock::read_file(hierarchy.root / "cpuset/cpuset.mems"));
        }
    }
}

TEST_CASE("make_cgroup: a limit without its controller is refused and leaves nothing",
          "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (offers(hierarchy, "memory")) {
            continue;
        }
        const std::string name = unique_group_name();
        CHECK_THROWS_WITH(drydock::make_cgroup(name, {.memory_bytes = 64 << 20}, hierarchy),
                          ContainsSubstring("memory limit cannot be had"));
        CHECK(!fs::exists(hierarchy.root / "drydock" / name));
    }
    SUCCEED();
}

TEST_CASE("find_hierarchy: a directory of another file system is none", "[03][cgroup]") {
    const drydock::TempDir directory("no-cgroups");
    fs::create_directories(directory.path() / "memory");
    const Hierarchy hierarchy = drydock::find_hierarchy(directory.path());
    CHECK(hierarchy.kind == HierarchyKind::None);
    CHECK(!drydock::make_cgroup("x", {}, hierarchy));
    CHECK_THROWS_WITH(drydock::make_cgroup("x", {.pids = 10}, hierarchy),
                      ContainsSubstring("limits cannot be had here"));
}

TEST_CASE(
    "make_cgroup: somebody without rights gets none, and an error only when a limit is asked for",
    "[03][cgroup]") {
    constexpr unsigned kNobody = 65534;
    CHECK(in_child_as(kNobody,
                      [] { return drydock::make_cgroup(unique_group_name(), {}) ? 1 : 0; }) == 0);
    CHECK(in_child_as(kNobody, [] {
              try {
                  drydock::make_cgroup(unique_group_name(), {.memory_bytes = 64 << 20});
              } catch (const InputError& e) {
                  return std::string(e.what()).find("limits cannot be had here") !=
                                 std::string::npos
                             ? 0
                             : 2;
              }
              return 1;
          }) == 0);
}

TEST_CASE("set_devices: what is not allowed cannot be opened, null can", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (hierarchy.kind != HierarchyKind::V2 && !offers(hierarchy, "devices")) {
            continue;
        }
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = drydock::make_cgroup(unique_group_name(), {}, hierarchy);
        cgroup.set_devices(drydock::default_device_rules());
        CHECK(joined(cgroup, [] {
                  const drydock::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
                  const drydock::UniqueFd kmsg(::open("/dev/kmsg", O_RDONLY | O_CLOEXEC));
                  return !null ? 1 : kmsg ? 2 : errno == EPERM ? 0 : 3;
              }).wait() == 0);
    }
}

TEST_CASE("set_devices: of several rules the last that matches decides", "[03][cgroup]") {
    using Rule = drydock::DeviceRule;
    const Rule deny_all{.allow = false};
    const Rule allow_null{.allow = true, .type = 'c', .major = 1, .minor = 3, .access = "r"};
    const std::pair<std::vector<Rule>, int> table[] = {
        {{deny_all}, 0},
        {{deny_all, allow_null}, 1},  // read only: not to write
        {{deny_all, {.allow = true, .type = 'c', .major = 1, .access = "rw"}}, 3},
        {{deny_all, {.allow = true, .type = 'b', .major = 1, .minor = 3, .access = "rw"}}, 0},
        {{allow_null, deny_all}, 0},
        {{{.allow = true}}, 3},
    };
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (hierarchy.kind != HierarchyKind::V2 && !offers(hierarchy, "devices")) {
            continue;
        }
        for (const auto& [rules, expected] : table) {
            CAPTURE(to_text(hierarchy.kind), to_text(rules.back()), expected);
            Cgroup cgroup = drydock::make_cgroup(unique_group_name(), {}, hierarchy);
            cgroup.set_devices(rules);
            CHECK(joined(cgroup, [] {
                      const drydock::UniqueFd to_read(::open("/dev/null", O_RDONLY | O_CLOEXEC));
                      const drydock::UniqueFd to_write(::open("/dev/null", O_WRONLY | O_CLOEXEC));
                      return (to_read ? 1 : 0) + (to_write ? 2 : 0);
                  }).wait() == expected);
        }
    }
}
