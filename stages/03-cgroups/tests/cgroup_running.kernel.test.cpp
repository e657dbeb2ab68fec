// What can be done to a group while it runs, on every form of cgroups: the second half of the
// seam's behaviour suite.
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

int count_up(std::atomic<std::int64_t>& counter) {
    for (;;) {
        ++counter;
        ::usleep(500);
    }
}

bool can_freeze(const Hierarchy& hierarchy) {
    return hierarchy.kind != HierarchyKind::V1 || offers(hierarchy, "freezer");
}

bool goes_on(std::atomic<std::int64_t>& counter) {
    const std::int64_t before = counter;
    return becomes_true([&] { return counter > before; });
}

/// Whether the counter stays the same for longer than it ever takes to be counted up.
bool stands_still(std::atomic<std::int64_t>& counter) {
    const std::int64_t before = counter;
    ::usleep(50'000);
    return counter == before;
}

}  // namespace

TEST_CASE("Cgroup: a child that is born inside needs no join of the v2 tree", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
        CHECK((cgroup.clone_fd() >= 0) == (hierarchy.kind != HierarchyKind::V1));
        const std::string name = cgroup.place().path;
        Child child = joined(
            cgroup,
            [&] {
                const std::string groups = drydock::read_file("/proc/self/cgroup");
                std::size_t lines = 0;
                for (std::size_t at = 0; (at = groups.find(name, at)) != std::string::npos; ++at) {
                    ++lines;
                }
                return static_cast<int>(lines);
            },
            true);
        CHECK(child.wait() == static_cast<int>(cgroup.directories().size()));
    }
}

TEST_CASE("Cgroup: a frozen group stands still until it is thawed", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (!can_freeze(hierarchy)) {
            continue;
        }
        CAPTURE(to_text(hierarchy.kind));
        const SharedCounter counter;
        Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
        const Child child = joined(cgroup, [&] { return count_up(*counter); });
        REQUIRE(goes_on(*counter));
        CHECK(!cgroup.frozen());
        cgroup.freeze();
        CHECK(cgroup.frozen());
        CHECK(stands_still(*counter));
        // Another process, as another runtime's "resume" is.
        Cgroup again = drydock::open_cgroup(cgroup.place(), hierarchy);
        CHECK(again.frozen());
        again.thaw();
        again.release();
        CHECK(!cgroup.frozen());
        CHECK(goes_on(*counter));
    }
}

TEST_CASE("Cgroup: freeze catches a group that forks all the time", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (!can_freeze(hierarchy)) {
            continue;
        }
        CAPTURE(to_text(hierarchy.kind));
        const SharedCounter counter;
        Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
        const Child child = joined(cgroup, [&] {
            for (;;) {
                if (const pid_t pid = ::fork(); pid == 0) {
                    ++*counter;
                    ::_exit(0);
                } else if (pid > 0) {
                    ::waitpid(pid, nullptr, 0);
                }
            }
            return 0;
        });
        REQUIRE(goes_on(*counter));
        for (int i = 0; i < 20; ++i) {
            cgroup.freeze();
            CHECK(stands_still(*counter));
            cgroup.thaw();
        }
    }
}

TEST_CASE("Cgroup: a frozen group can be killed and removed", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (!can_freeze(hierarchy)) {
            continue;
        }
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
        const std::vector<fs::path> directories = cgroup.directories();
        Child child = joined(cgroup, sleep_forever);
        REQUIRE(becomes_true([&] { return cgroup.populated(); }));
        cgroup.freeze();
        cgroup.kill();
        CHECK(child.wait() == 128 + SIGKILL);
        cgroup.remove();
        CHECK(all_gone(directories));
    }
}

TEST_CASE("Cgroup: pids are those inside, in groups below too, each once", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        CAPTURE(to_text(hierarchy.kind));
        const SharedCounter born;
        Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
        CHECK(cgroup.pids().empty());
        const Child first = joined(cgroup, [&] {
            if (const pid_t pid = ::fork(); pid > 0) {
                *born = pid;
            }
            return sleep_forever();
        });
        REQUIRE(becomes_true([&] { return cgroup.pids().size() == 2 && *born > 0; }));
        std::vector<pid_t> expected = {first.pid(), static_cast<pid_t>((*born).load())};
        std::ranges::sort(expected);
        CHECK(cgroup.pids() == expected);
    }
}

TEST_CASE("Cgroup: a limit that is set while it runs holds from then on", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"pids", "memory", "cpu"})) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {.pids = 100}, hierarchy);
        const SharedCounter go;
        const SharedCounter error;
        Child child = joined(cgroup, [&] {
            while (*go == 0) {
                ::usleep(1000);
            }
            const pid_t pid = ::fork();
            *error = pid == -1 ? errno : 0;
            return pid == 0 ? 1 : 0;
        });
        REQUIRE(becomes_true([&] { return cgroup.populated(); }));
        Cgroup again = drydock::open_cgroup(cgroup.place(), hierarchy);
        again.set({.memory_bytes = 64 << 20, .nano_cpus = 500'000'000, .pids = 1});
        again.release();
        *go = 1;
        CHECK(child.wait() == 0);
        CHECK(*error == EAGAIN);
        CHECK(cgroup.statistics().pids_limit == 1);
        CHECK(cgroup.statistics().memory_limit_bytes == 64 << 20);
        // Taken away again.
        cgroup.set({.memory_bytes = -1, .nano_cpus = -1, .pids = -1});
        CHECK(cgroup.statistics().pids_limit == -1);
        CHECK(cgroup.statistics().memory_limit_bytes == -1);
        CHECK(text_in(cgroup, "pids.max") == "max");
    }
}

TEST_CASE("Cgroup: of limits that cannot all be set while it runs none is", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"pids", "memory", "cpuset"})) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup =
            make_cgroup(unique_group_name(), {.memory_bytes = 128 << 20, .pids = 100}, hierarchy);
        const Child child = joined(cgroup, sleep_forever);
        REQUIRE(becomes_true([&] { return cgroup.populated(); }));
        CHECK_THROWS_WITH(cgroup.set({.memory_bytes = 64 << 20, .pids = 50, .cpuset_cpus = "4000"}),
                          ContainsSubstring("cpuset of CPUs") && ContainsSubstring("4000"));
        CHECK(cgroup.statistics().memory_limit_bytes == 128 << 20);
        CHECK(cgroup.statistics().pids_limit == 100);
        CHECK_THROWS_AS(cgroup.set({.memory_bytes = 1024}), InputError);
    }
}

TEST_CASE("Cgroup: a controller that a limit asks for later takes in who runs already",
          "[03][cgroup]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"cpuset"})) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
        const SharedCounter go;
        Child child = joined(cgroup, [&] {
            while (*go == 0) {
                ::usleep(1000);
            }
            cpu_set_t cpus{};
            ::sched_getaffinity(0, sizeof cpus, &cpus);
            return CPU_COUNT(&cpus) == 1 && CPU_ISSET(0, &cpus) ? 0 : 1;
        });
        REQUIRE(becomes_true([&] { return cgroup.populated(); }));
        cgroup.set({.cpuset_cpus = "0"});
        *go = 1;
        CHECK(child.wait() == 0);
    }
}

TEST_CASE("Cgroup: a memory limit below what is in use is refused when that is asked for",
          "[03][cgroup]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"memory"})) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {.memory_bytes = 128 << 20}, hierarchy);
        const SharedCounter ready;
        Child child = joined(cgroup, [&] {
            constexpr std::size_t kSize = std::size_t{32} << 20U;
            std::memset(std::malloc(kSize), 1, kSize);
            *ready = 1;
            return sleep_forever();
        });
        REQUIRE(becomes_true([&] { return *ready == 1; }));
        CHECK_THROWS_WITH(cgroup.set({.memory_bytes = 8 << 20, .check_before_update = true}),
                          ContainsSubstring("memory limit 8 MiB: below the"));
        CHECK(cgroup.statistics().memory_limit_bytes == 128 << 20);
        child.signal(SIGKILL);
        CHECK(child.wait() == 128 + SIGKILL);
        CHECK(cgroup.statistics().oom_kills == 0);
    }
}

TEST_CASE("Cgroup: OOM events wake who polls, and nothing else does", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"memory"})) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup =
            make_cgroup(unique_group_name(),
                        {.memory_bytes = 8 << 20, .memory_swap_bytes = 8 << 20}, hierarchy);
        drydock::OomEvents events = cgroup.oom_events();
        pollfd ready{.fd = events.fd(), .events = POLLIN, .revents = 0};
        CHECK(joined(cgroup, [] { return 0; }).wait() == 0);
        CHECK(events.take() == 0);
        CHECK(::poll(&ready, 1, 0) == 0);

        CHECK(joined(cgroup, eat_memory).wait() == 128 + SIGKILL);
        CHECK(::poll(&ready, 1, 10'000) == 1);
        CHECK(becomes_true([&] { return events.take() > 0; }));
        CHECK(cgroup.oom_kills() == 1);
        CHECK(events.take() == 0);

        cgroup.remove();
        CHECK(events.take() == 0);
    }
    const drydock::OomEvents none;
    pollfd never{.fd = none.fd(), .events = POLLIN, .revents = 0};
    CHECK(::poll(&never, 1, 0) == 0);
}

TEST_CASE("Cgroup: statistics say what was used, in the words of runc events too", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : hierarchies_with({"memory", "cpu", "pids"})) {
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(),
                                    {.memory_bytes = 64 << 20,
                                     .nano_cpus = 200'000'000,
                                     .cpu_period_us = 10'000,
                                     .pids = 7},
                                    hierarchy);
        const SharedCounter ready;
        const Child child = joined(cgroup, [&] {
            constexpr std::size_t kSize = std::size_t{16} << 20U;
            std::memset(std::malloc(kSize), 1, kSize);
            *ready = 1;
            for (;;) {
                ::getppid();
            }
            return 0;
        });
        REQUIRE(becomes_true([&] {
            const drydock::CgroupStatistics now = cgroup.statistics();
            return *ready == 1 && now.throttled_periods > 0 &&
                   now.cpu_user_ns + now.cpu_kernel_ns > 0;
        }));
        const drydock::CgroupStatistics seen = cgroup.statistics();
        CHECK(seen.memory_bytes >= 16 << 20);
        CHECK(seen.memory_bytes < 64 << 20);
        CHECK(seen.memory_limit_bytes == 64 << 20);
        // The kernel adds these up every two seconds only.
        CHECK(becomes_true([&] { return cgroup.statistics().anon_bytes >= 15 << 20; }));
        CHECK(seen.file_bytes >= 0);
        CHECK(seen.cpu_ns > 0);
        CHECK(seen.periods >= seen.throttled_periods);
        CHECK(seen.throttled_ns > 0);
        CHECK(seen.pids == 1);
        CHECK(seen.pids_limit == 7);

        const auto json = nlohmann::json::parse(to_json(seen));
        CHECK(json["cpu"]["usage"]["total"] == seen.cpu_ns);
        CHECK(json["cpu"]["throttling"]["throttledPeriods"] == seen.throttled_periods);
        CHECK(json["memory"]["usage"]["usage"] == seen.memory_bytes);
        CHECK(json["memory"]["usage"]["limit"] == 64 << 20);
        CHECK(json["memory"]["raw"].size() > 10);
        CHECK(json["pids"] == nlohmann::json{{"current", 1}, {"limit", 7}});
        CHECK(json["blkio"]["ioServiceBytesRecursive"].is_array());
        CHECK(json["hugetlb"].is_object());
    }
}

TEST_CASE("Cgroup: pressure is that of the group", "[03][cgroup]") {
    for (const Hierarchy& hierarchy : offered_hierarchies()) {
        if (hierarchy.kind == HierarchyKind::V1 || !fs::exists("/proc/pressure/cpu")) {
            continue;
        }
        CAPTURE(to_text(hierarchy.kind));
        Cgroup cgroup = make_cgroup(unique_group_name(), {}, hierarchy);
        REQUIRE(cgroup.statistics().cpu_pressure);
        CHECK(cgroup.statistics().cpu_pressure->some.total_us == 0);
        const auto busy = [] {
            cpu_set_t one{};
            CPU_SET(0, &one);
            ::sched_setaffinity(0, sizeof one, &one);
            for (;;) {
                ::getppid();
            }
            return 0;
        };
        const Child first = joined(cgroup, busy);
        const Child second = joined(cgroup, busy);
        CHECK(becomes_true([&] { return cgroup.statistics().cpu_pressure->some.total_us > 0; }));
        CHECK(nlohmann::json::parse(to_json(cgroup.statistics()))["cpu"]["psi"]["some"]["total"] >
              0);
    }
}
