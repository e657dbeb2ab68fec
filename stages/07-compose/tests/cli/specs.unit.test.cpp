// What the flags of run mean.
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "07-compose/cli/container_spec.hpp"
#include "07-compose/cli/usage_row.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::InputError;
using namespace drydock::cli;
using nlohmann::json;

}  // namespace

TEST_CASE("run --restart: a policy, and for on-failure a number", "[07][cli]") {
    CHECK(parse_restart("always", "x").policy == "always");
    CHECK(parse_restart("on-failure:4", "x").retries == 4);
    for (const char* wrong : {"", "sometimes", "always:3", "on-failure:", "on-failure:-1"}) {
        CHECK_THROWS_AS(parse_restart(wrong, "--restart"), InputError);
    }
}

TEST_CASE("durations: as Go writes them, in nanoseconds", "[07][cli]") {
    CHECK(parse_duration("1m30s", "x") == 90'000'000'000);
    CHECK(parse_duration("500ms", "x") == 500'000'000);
    CHECK(parse_duration("1.5h", "x") == 5'400'000'000'000);
    CHECK(parse_duration("0", "x") == 0);
    for (const char* wrong : {"", "10", "s", "1 s", "-1s", "1x"}) {
        CHECK_THROWS_AS(parse_duration(wrong, "x"), InputError);
    }
}

TEST_CASE("run --mount: words become the API's mount", "[07][cli]") {
    const json mount = parse_mount("type=volume,src=data,dst=/data,ro,volume-label=a=b", "x");
    CHECK(mount["Type"] == "volume");
    CHECK(mount["Source"] == "data");
    CHECK(mount["Target"] == "/data");
    CHECK(mount["ReadOnly"] == true);
    CHECK(mount["VolumeOptions"]["Labels"]["a"] == "b");
    const json tmpfs = parse_mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770", "x");
    CHECK(tmpfs["TmpfsOptions"]["SizeBytes"] == 1 << 20);
    CHECK(tmpfs["TmpfsOptions"]["Mode"] == 01770);
    CHECK(parse_mount("type=bind,src=here,dst=/x", "x")["Source"].get<std::string>().front() ==
          '/');
    const auto recursive = [](const std::string& value) {
        return parse_mount("type=bind,src=/x,dst=/y,bind-recursive=" + value, "x")["BindOptions"];
    };
    CHECK(recursive("disabled") == json{{"NonRecursive", true}});
    CHECK(recursive("writable") == json{{"ReadOnlyNonRecursive", true}});
    CHECK(recursive("readonly") == json{{"ReadOnlyForceRecursive", true}});
    CHECK(recursive("enabled").is_null());
    CHECK_THROWS_AS(recursive("deeply"), InputError);
    CHECK(parse_mount("src=v,dst=/y,volume-subpath=a/b", "x")["VolumeOptions"]["Subpath"] == "a/b");
    CHECK_THROWS_AS(parse_mount("type=bind,src=/x", "x"), InputError);
    CHECK_THROWS_AS(parse_mount("dst=/x,colour=red", "x"), InputError);
}

TEST_CASE("run -v: a path is bound, a name is a volume, a place alone an anonymous one",
          "[07][cli]") {
    ContainerSpec spec{.image = "i"};
    spec.volumes = {"/a:/b:ro", "name:/c", "/d", "./e:/f"};
    spec.tmpfs = {"/t:size=1m"};
    const json body = json::parse(create_body(spec));
    CHECK(body["HostConfig"]["Binds"][0] == "/a:/b:ro");
    CHECK(body["HostConfig"]["Binds"][1] == "name:/c");
    CHECK(body["HostConfig"]["Binds"][2].get<std::string>().ends_with("/e:/f"));
    CHECK(body["HostConfig"]["Binds"][2].get<std::string>().front() == '/');
    CHECK(body["Volumes"].contains("/d"));
    CHECK(body["HostConfig"]["Tmpfs"]["/t"] == "size=1m");
}

TEST_CASE("stats: percentages as docker computes them", "[07][cli]") {
    const json row = usage_row(
        {{"id", "0123456789abcdef"},
         {"name", "/web"},
         {"cpu_stats",
          {{"cpu_usage", {{"total_usage", 300}}}, {"system_cpu_usage", 1000}, {"online_cpus", 2}}},
         {"precpu_stats", {{"cpu_usage", {{"total_usage", 100}}}, {"system_cpu_usage", 600}}},
         {"memory_stats",
          {{"usage", 3 << 20}, {"limit", 8 << 20}, {"stats", {{"total_inactive_file", 1 << 20}}}}},
         {"pids_stats", {{"current", 3}}}},
        false);
    CHECK(row["Name"] == "web");
    CHECK(row["CPUPerc"] == "100.00%");
    CHECK(row["MemUsage"] == "2MiB / 8MiB");
    CHECK(row["MemPerc"] == "25.00%");
    CHECK(row["PIDs"] == "3");
}

TEST_CASE("events --since: a duration is so long ago, anything else stays", "[07][cli]") {
    CHECK(moment_parameter("2026-01-02T03:04:05Z") == "2026-01-02T03:04:05Z");
    CHECK(moment_parameter("1700000000") == "1700000000");
    CHECK(std::stod(moment_parameter("10m")) > 1.7e9);
    CHECK(moment_parameter("").empty());
}
