#include <algorithm>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

#include "cgroup_setting.hpp"
#include "devices_v1.hpp"

using drydock::CgroupFacts;
using drydock::CgroupSettings;
using drydock::DeviceRule;
using drydock::InputError;
using drydock::Limits;
using drydock::testing::ContainsSubstring;

namespace {

/// "file=value" for each, in their order.
std::vector<std::string> lines_of(const CgroupSettings& settings) {
    std::vector<std::string> lines;
    for (const drydock::CgroupSetting& setting : settings.list) {
        lines.push_back(setting.file + "=" + setting.value);
    }
    return lines;
}

std::vector<std::string> v1(const Limits& limits, const CgroupFacts& facts = {}) {
    return lines_of(drydock::settings_v1(limits, facts));
}
std::vector<std::string> v2(const Limits& limits, const CgroupFacts& facts = {}) {
    return lines_of(drydock::settings_v2(limits, facts));
}

using Lines = std::vector<std::string>;
constexpr std::int64_t kMiB = std::int64_t{1} << 20U;

}  // namespace

TEST_CASE("settings: without limits nothing is written", "[03][cgroup]") {
    CHECK(v1({}).empty());
    CHECK(v2({}).empty());
}

TEST_CASE("settings: memory and swap together are both on v1, swap alone on v2", "[03][cgroup]") {
    const Limits limits{.memory_bytes = 64 * kMiB, .memory_swap_bytes = 96 * kMiB};
    CHECK(v1(limits) ==
          Lines{"memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=100663296"});
    CHECK(v2(limits) == Lines{"memory.max=67108864", "memory.swap.max=33554432"});
    CHECK(v2({.memory_bytes = 64 * kMiB, .memory_swap_bytes = -1}) ==
          Lines{"memory.max=67108864", "memory.swap.max=max"});
    // Swap alone, while it runs: against the memory limit that is there.
    CHECK(v2({.memory_swap_bytes = 96 * kMiB}, {.memory_limit_bytes = 64 * kMiB}) ==
          Lines{"memory.swap.max=33554432"});
    CHECK_THROWS_AS(v2({.memory_swap_bytes = 96 * kMiB}), InputError);
}

TEST_CASE("settings: on v1 the larger of the two limits goes first when they grow",
          "[03][cgroup]") {
    const Limits limits{.memory_bytes = 64 * kMiB, .memory_swap_bytes = 96 * kMiB};
    CHECK(v1(limits, {.memory_limit_bytes = 32 * kMiB}) ==
          Lines{"memory.memsw.limit_in_bytes=100663296", "memory.limit_in_bytes=67108864"});
    CHECK(v1({.memory_bytes = -1}, {.memory_limit_bytes = 32 * kMiB}) ==
          Lines{"memory.memsw.limit_in_bytes=-1", "memory.limit_in_bytes=-1"});
}

TEST_CASE("settings: a swap limit that the kernel cannot count is refused, not skipped",
          "[03][cgroup]") {
    const Limits limits{.memory_bytes = 64 * kMiB, .memory_swap_bytes = 96 * kMiB};
    const CgroupFacts uncounted{.counts_swap = false};
    CHECK_THROWS_WITH(v1(limits, uncounted), ContainsSubstring("swap limit cannot be had"));
    CHECK_THROWS_WITH(v2(limits, uncounted), ContainsSubstring("swap limit cannot be had"));
    const CgroupFacts without_swap{.counts_swap = false, .has_swap = false};
    for (const CgroupSettings& settings :
         {drydock::settings_v1(limits, without_swap), drydock::settings_v2(limits, without_swap)}) {
        CHECK(settings.list.size() == 1);
        REQUIRE(settings.warnings.size() == 1);
        CHECK_THAT(settings.warnings[0], ContainsSubstring("swap limit: has no effect"));
    }
}

TEST_CASE("settings: CPU time, weight, burst and idle have a file each", "[03][cgroup]") {
    const Limits limits{.nano_cpus = 500'000'000,
                        .cpu_shares = 1024,
                        .cpu_burst_us = 2000,
                        .cpu_idle = 1,
                        .cpuset_cpus = "0-1",
                        .cpuset_mems = "0"};
    CHECK(v1(limits) == Lines{"cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000",
                              "cpu.cfs_burst_us=2000", "cpu.shares=1024", "cpu.idle=1",
                              "cpuset.cpus=0-1", "cpuset.mems=0"});
    CHECK(v2(limits) == Lines{"cpu.max=50000 100000", "cpu.max.burst=2000", "cpu.weight=39",
                              "cpu.idle=1", "cpuset.cpus=0-1", "cpuset.mems=0"});
    // An idle group takes no weight: it stops being idle first.
    CHECK(v2({.cpu_shares = 1024, .cpu_idle = 0}) == Lines{"cpu.idle=0", "cpu.weight=39"});
    CHECK(v2({.nano_cpus = -1}) == Lines{"cpu.max=max 100000"});
    CHECK(v1({.nano_cpus = -1}) == Lines{"cpu.cfs_period_us=100000", "cpu.cfs_quota_us=-1"});
}

TEST_CASE("settings: I/O goes to each device's line", "[03][cgroup]") {
    Limits limits;
    limits.io = {.weight = 500,
                 .device_weights = {{8, 0, 1000}},
                 .read_bytes = {{8, 0, 1048576}},
                 .write_operations = {{8, 16, 100}}};
    CHECK(v1(limits) == Lines{"blkio.weight=500", "blkio.weight_device=8:0 1000",
                              "blkio.throttle.read_bps_device=8:0 1048576",
                              "blkio.throttle.write_iops_device=8:16 100"});
    CHECK(v2(limits) == Lines{"io.weight=default 4950", "io.weight=8:0 10000",
                              "io.max=8:0 rbps=1048576", "io.max=8:16 wiops=100"});
    const CgroupFacts bfq{.has_bfq = true};
    CHECK(v1(limits, bfq)[0] == "blkio.bfq.weight=500");
    CHECK(v2(limits, bfq)[0] == "io.bfq.weight=default 500");
    CHECK(drydock::io_weight(10) == 1);
    CHECK(drydock::io_weight(1000) == 10000);
}

TEST_CASE("settings: huge pages, RDMA, network and keys of v2", "[03][cgroup]") {
    Limits limits;
    limits.hugetlb = {{.page_size = "2MB", .bytes = 4194304}};
    limits.rdma = {{.device = "mlx5_1", .hca_handles = 3}};
    CHECK(v1(limits) == Lines{"hugetlb.2MB.limit_in_bytes=4194304",
                              "hugetlb.2MB.rsvd.limit_in_bytes=4194304",
                              "rdma.max=mlx5_1 hca_handle=3 hca_object=max"});
    CHECK(v2(limits) == Lines{"hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304",
                              "rdma.max=mlx5_1 hca_handle=3 hca_object=max"});
    Limits network;
    network.net_class_id = 1048577;
    network.net_priorities = {{.name = "eth0", .priority = 5}};
    CHECK(v1(network) == Lines{"net_cls.classid=1048577", "net_prio.ifpriomap=eth0 5"});
    CHECK_THROWS_WITH(v2(network), ContainsSubstring("controllers of cgroup v1"));
    Limits unified;
    unified.unified = {{"memory.high", "1000000"}, {"io.max", "8:0 rbps=1\n8:16 rbps=2"}};
    CHECK(v2(unified) == Lines{"io.max=8:0 rbps=1", "io.max=8:16 rbps=2", "memory.high=1000000"});
}

TEST_CASE("settings: what has no effect is said", "[03][cgroup]") {
    const Limits limits{.kernel_memory_bytes = kMiB,
                        .kernel_tcp_bytes = kMiB,
                        .swappiness = 10,
                        .disable_oom_killer = true};
    CHECK(drydock::settings_v2(limits, {}).warnings.size() == 4);
    CHECK(v2(limits).empty());
    CHECK(drydock::settings_v1(limits, {}).warnings.size() == 1);
    CHECK(v1(limits) == Lines{"memory.swappiness=10", "memory.oom_control=1",
                              "memory.kmem.tcp.limit_in_bytes=1048576"});
    CHECK(v1({.memory_reservation_bytes = 32 * kMiB}) ==
          Lines{"memory.soft_limit_in_bytes=33554432"});
    CHECK(v2({.memory_reservation_bytes = 32 * kMiB}) == Lines{"memory.low=33554432"});
    CHECK(v2({.memory_reservation_bytes = -1}) == Lines{"memory.low=0"});
    CHECK(v2({.oom_group = true}) == Lines{"memory.oom.group=1"});
    CHECK(drydock::settings_v1({.oom_group = true}, {}).warnings.size() == 1);
    CHECK_THROWS_WITH(v2({.cpu_realtime_runtime_us = 1000}),
                      ContainsSubstring("real-time limit cannot be had"));
}

TEST_CASE("check_limits: what no kernel takes is refused by name", "[03][limits]") {
    Limits limits;
    const auto refused = [](const Limits& bad, const char* text) {
        CHECK_THROWS_WITH(drydock::check_limits(bad), ContainsSubstring(text));
    };
    refused({.swappiness = 101}, "swappiness 101: expected 0 to 100");
    refused({.cpu_idle = 2}, "CPU idle setting 2");
    refused({.cpuset_cpus = "0-1 "}, "cpuset \"0-1 \"");
    refused({.cpuset_mems = "all"}, "as in 0-3,7");
    refused({.nano_cpus = 50'000'000, .cpu_period_us = 10'000}, "at least 1000 µs");
    limits.io.weight = 9;
    refused(limits, "blkio weight 9: expected 10 to 1000");
    for (const char* size : {"", "2", "MB", "2M", "../2MB", "2MB.x"}) {
        CAPTURE(size);
        limits = {};
        limits.hugetlb = {{.page_size = size, .bytes = 1}};
        refused(limits, "as in 2MB or 1GB");
    }
    for (const char* file : {"", "memory", ".hidden", "../memory.max", "a/b.c", "cgroup.procs",
                             "cgroup.kill", "cgroup.subtree_control", "memory.max\n"}) {
        CAPTURE(file);
        limits = {};
        limits.unified = {{file, "1"}};
        refused(limits, "the name of a file that limits");
    }
    limits = {};
    limits.net_priorities = {{.name = "eth0 5\nlo", .priority = 1}};
    refused(limits, "an interface's name");
    limits = {};
    limits.unified = {{"cgroup.max.depth", "3"}, {"memory.high", "1"}};
    CHECK_NOTHROW(drydock::check_limits(limits));
    CHECK_NOTHROW(drydock::check_limits({.memory_bytes = -1, .nano_cpus = -1, .pids = -1}));
}

TEST_CASE("Limits: no limit is none", "[03][limits]") {
    CHECK(!Limits().any());
    CHECK(!Limits{.memory_bytes = -1, .memory_swap_bytes = -1, .nano_cpus = -1, .pids = -1}.any());
    CHECK(Limits{.pids = 1}.any());
    CHECK(Limits{.cpuset_cpus = "0"}.any());
}

TEST_CASE("device_writes_v1: one answer for all, and exceptions from it", "[03][cgroup]") {
    const auto texts = [](const std::vector<DeviceRule>& rules) {
        std::vector<std::string> list;
        for (const drydock::DeviceWrite& write : device_writes_v1(rules)) {
            list.push_back((write.allow ? "allow " : "deny ") + write.text);
        }
        return list;
    };
    const DeviceRule null{.allow = true, .type = 'c', .major = 1, .minor = 3};
    CHECK(texts({}) == Lines{"deny a"});
    CHECK(texts({null}) == Lines{"deny a", "allow c 1:3 rwm"});
    CHECK(texts({null, {.allow = false}}) == Lines{"deny a"});
    CHECK(texts({{.allow = true}, {.allow = false, .type = 'b', .major = 8}}) ==
          Lines{"allow a", "deny b 8:* rwm"});
    CHECK(texts({null, {.allow = false, .type = 'c', .major = 1, .access = "w"}}) ==
          Lines{"deny a", "allow c 1:3 rm"});
    CHECK(texts({{.allow = true, .type = 'a', .access = "m"}}) ==
          Lines{"deny a", "allow b *:* m", "allow c *:* m"});
    CHECK_THROWS_WITH(texts({{.allow = true, .type = 'c', .major = 1},
                             {.allow = false, .type = 'c', .major = 1, .minor = 3}}),
                      ContainsSubstring("deny c 1:3 rwm") && ContainsSubstring("cgroup v1"));
}
