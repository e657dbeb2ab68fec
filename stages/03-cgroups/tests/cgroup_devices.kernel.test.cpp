// Which devices a group may use, on every form of cgroups.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

#include "cgroup_fixture.hpp"

namespace fs = std::filesystem;
using drydock::Cgroup;
using drydock::Child;
using drydock::DeviceRule;
using drydock::Hierarchy;
using drydock::HierarchyKind;
using drydock::InputError;
using drydock::make_cgroup;
using namespace drydock::testing;

namespace {

bool can_open(const char* path, int flags) {
    return static_cast<bool>(drydock::UniqueFd(::open(path, flags | O_CLOEXEC)));
}

}  // namespace

// C3: holds after an update too.
TEST_CASE("set_devices: the rules of an update replace those before, for who runs already",
          "[03][cgroup][security]") {
    const DeviceRule deny_all{.allow = false};
    const DeviceRule allow_null{.allow = true, .type = 'c', .major = 1, .minor = 3};
    const DeviceRule allow_zero{.allow = true, .type = 'c', .major = 1, .minor = 5};
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
        cgroup.set_devices(std::vector{deny_all, allow_null});
        const SharedCounter go;
        Child child = joined(cgroup, [&] {
            const auto seen = [] {
                return (can_open("/dev/null", O_RDWR) ? 1 : 0) +
                       (can_open("/dev/zero", O_RDWR) ? 2 : 0) +
                       (can_open("/dev/full", O_RDWR) ? 4 : 0);
            };
            const int before = seen();
            *go = 1;
            while (*go == 1) {
                ::usleep(1000);
            }
            return before * 10 + seen();
        });
        REQUIRE(becomes_true([&] { return *go == 1; }));
        // As "update" does it: another process, which knows the group by its place.
        for (const DeviceRule& then : {allow_null, allow_zero}) {
            Cgroup again = drydock::open_cgroup(cgroup.place(), hierarchy);
            again.set_devices(std::vector{deny_all, then});
            again.release();
        }
        CHECK(!cgroup.frozen());
        *go = 2;
        CHECK(child.wait() == 12);
    }
}

TEST_CASE("set_devices: a limit that is set later leaves the rules as they are",
          "[03][cgroup][security]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"pids", "cpuset"})) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
        cgroup.set_devices(drydock::default_device_rules());
        cgroup.set({.pids = 10, .cpuset_cpus = "0"});
        CHECK(joined(cgroup, [] {
                  return can_open("/dev/null", O_RDWR) && !can_open("/dev/kmsg", O_RDONLY) ? 0 : 1;
              }).wait() == 0);
    }
}

TEST_CASE("set_devices: one table of verdicts on every form of cgroups", "[03][cgroup][security]") {
    const DeviceRule deny_all{.allow = false};
    const DeviceRule allow_all{.allow = true};
    const auto rule = [](bool allow, std::int64_t minor, const char* access) {
        return DeviceRule{
            .allow = allow, .type = 'c', .major = 1, .minor = minor, .access = access};
    };
    struct Row {
        std::vector<DeviceRule> rules;
        int verdict;  ///< of /dev/null: 1 to read, 2 to write, 4 to do both at once
    };
    const Row table[] = {
        {{rule(true, 3, "rw")}, 7},  // without a rule for all, what none allows is denied
        {{rule(true, 5, "rw")}, 0},
        {{deny_all, rule(true, 3, "r"), rule(true, 3, "w")}, 7},
        {{deny_all, rule(true, 3, "rw"), rule(false, 3, "w")}, 1},
        {{deny_all, rule(true, 3, "rw"), rule(false, -1, "w")}, 1},
        {{allow_all, rule(false, 3, "w")}, 1},
        {{allow_all, rule(false, -1, "rw")}, 0},
        {{allow_all, rule(false, 3, "rw"), rule(true, 3, "r")}, 1},
        {{allow_all, rule(false, 5, "rwm")}, 7},
        {{deny_all, {.allow = true, .type = 'a', .major = 1, .minor = 3, .access = "rw"}}, 7},
        {{deny_all, {.allow = true, .type = 'a', .access = "r"}}, 1},
        {{rule(true, 3, "rwm"), deny_all}, 0},
        {{deny_all, allow_all}, 7},
    };
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        int number = 0;
        for (const auto& [rules, verdict] : table) {
            CAPTURE(to_text(hierarchy.kind), ++number);
            Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
            cgroup.set_devices(rules);
            CHECK(joined(cgroup, [] {
                      return (can_open("/dev/null", O_RDONLY) ? 1 : 0) +
                             (can_open("/dev/null", O_WRONLY) ? 2 : 0) +
                             (can_open("/dev/null", O_RDWR) ? 4 : 0);
                  }).wait() == verdict);
        }
    }
}

TEST_CASE("set_devices: rules that v1 cannot follow are refused, not bent",
          "[03][cgroup][security]") {
    const std::vector<DeviceRule> exception_of_exception = {
        {.allow = false},
        {.allow = true, .type = 'c', .major = 1},
        {.allow = false, .type = 'c', .major = 1, .minor = 3, .access = "w"}};
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
        if (offers(hierarchy, "devices")) {
            CHECK_THROWS_WITH(cgroup.set_devices(exception_of_exception),
                              ContainsSubstring("deny c 1:3 w") && ContainsSubstring("cgroup v1"));
            CHECK(joined(cgroup, [] { return can_open("/dev/null", O_RDWR) ? 0 : 1; }).wait() == 0);
        } else {
            cgroup.set_devices(exception_of_exception);
            CHECK(joined(cgroup, [] {
                      return can_open("/dev/null", O_RDONLY) && !can_open("/dev/null", O_WRONLY) &&
                                     can_open("/dev/zero", O_RDWR)
                                 ? 0
                                 : 1;
                  }).wait() == 0);
        }
    }
}

TEST_CASE("set_devices: nodes that somebody made or brought along cannot be opened",
          "[03][cgroup][security]") {
    const drydock::TempDir directory("devices");
    const auto node = [&](const char* name, mode_t type, unsigned major, unsigned minor) {
        const std::string path = (directory.path() / name).native();
        return ::mknod(path.c_str(), type | 0600, makedev(major, minor)) == 0 ? path : "";
    };
    const std::string brought = node("brought", S_IFCHR, 10, 229);
    REQUIRE(!brought.empty());
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
        cgroup.set_devices(drydock::default_device_rules());
        const auto refused = [](const std::string& path) {
            return !path.empty() && !can_open(path.c_str(), O_RDONLY) && errno == EPERM;
        };
        CHECK(joined(cgroup, [&] {
                  const std::string block = node("block", S_IFBLK, 254, 0);
                  const std::string memory = node("memory", S_IFCHR, 1, 1);
                  const std::string null = node("null", S_IFCHR, 1, 3);
                  return (refused(block) ? 0 : 1) + (refused(memory) ? 0 : 2) +
                         (refused(brought) ? 0 : 4) + (can_open(null.c_str(), O_RDWR) ? 0 : 8);
              }).wait() == 0);
        for (const char* name : {"block", "memory", "null"}) {
            fs::remove(directory.path() / name);
        }
    }
}
