// What HostConfig says about memory, block I/O and the place in the tree of cgroups, seen from
// outside: in the files of the container's cgroup.
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "testing/skip.hpp"

#include "api/test_daemon.hpp"

namespace {

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;
using drydock::testing::Reply;
using drydock::testing::soon;
using drydock::testing::TestDaemon;
using nlohmann::json;

bool is_v2(const std::string& hierarchy) {
    return hierarchy.starts_with("0::");
}

/// The directory of the process's cgroup that has the controller; v1 has a tree for each.
fs::path cgroup_of(int pid, const std::string& controller) {
    std::ifstream lines("/proc/" + std::to_string(pid) + "/cgroup");
    fs::path unified;
    for (std::string line; std::getline(lines, line);) {
        const std::string path = line.substr(line.find(':', line.find(':') + 1) + 1);
        if (is_v2(line)) {
            unified = "/sys/fs/cgroup" + path;
        } else if (line.find(":" + controller + ":") != std::string::npos) {
            return "/sys/fs/cgroup/" + controller + path;
        }
    }
    return unified;
}

std::string line_of(const fs::path& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return in ? line : "no " + file.native();
}

int pid_of(const TestDaemon& daemon, const std::string& id) {
    return daemon.state(id)["Pid"];
}

json host_config(const TestDaemon& daemon, const std::string& id) {
    return daemon.get("/containers/" + id + "/json").json()["HostConfig"];
}

/// The file of memory and swap together (v1), or of swap alone (v2); nothing where the kernel
/// counts no swap.
std::optional<std::string> swap_limit(int pid) {
    const fs::path group = cgroup_of(pid, "memory");
    for (const char* name : {"memory.memsw.limit_in_bytes", "memory.swap.max"}) {
        if (fs::exists(group / name)) {
            return line_of(group / name);
        }
    }
    return std::nullopt;
}

struct BlockDevice {
    std::string path{};
    std::string numbers{};  ///< "254:0"
};
/// A whole disk of this machine; nothing when it has none that we can name.
std::optional<BlockDevice> some_disk() {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator("/sys/block", none)) {
        const std::string path = "/dev/" + entry.path().filename().native();
        struct stat status{};
        if (::stat(path.c_str(), &status) == 0 && S_ISBLK(status.st_mode)) {
            return BlockDevice{path,
                               fmt::format("{}:{}", major(status.st_rdev), minor(status.st_rdev))};
        }
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("memory: without a limit of swap there is as much swap as memory", "[07][resources]") {
    const TestDaemon daemon;
    const std::int64_t bytes = 32 << 20;
    const std::string id = daemon.run("sleep 1000", {{"HostConfig", {{"Memory", bytes}}}});
    const auto swap = swap_limit(pid_of(daemon, id));
    CHECK(daemon.get("/info").json()["SwapLimit"] == swap.has_value());
    CHECK(host_config(daemon, id)["MemorySwap"] == (swap ? 2 * bytes : 0));
    if (swap) {
        const bool together =
            cgroup_of(pid_of(daemon, id), "memory").native().find("/memory/") != std::string::npos;
        CHECK(*swap == std::to_string(together ? 2 * bytes : bytes));
    }
    const std::string unlimited =
        daemon.run("sleep 1000", {{"HostConfig", {{"Memory", bytes}, {"MemorySwap", -1}}}});
    CHECK(host_config(daemon, unlimited)["MemorySwap"] == -1);
    if (const auto none = swap_limit(pid_of(daemon, unlimited))) {
        CHECK((*none == "max" || none->size() > 15));
    }
    const json less = {{"Image", "drydock/base"},
                       {"HostConfig", {{"Memory", bytes}, {"MemorySwap", bytes / 2}}}};
    CHECK(daemon.call("POST", "/containers/create", less.dump()).status == 400);
}

TEST_CASE("cgroup parent: the container's group is below it, and goes with the container",
          "[07][resources]") {
    const TestDaemon daemon;
    const std::string parent = fmt::format("drydock-parent-{}", ::getpid());
    const std::string id = daemon.run("sleep 1000", {{"HostConfig", {{"CgroupParent", parent}}}});
    const fs::path group = cgroup_of(pid_of(daemon, id), "memory");
    CHECK_THAT(group.native(), ContainsSubstring("/" + parent + "/" + id));
    CHECK(fs::is_directory(group));
    CHECK(host_config(daemon, id)["CgroupParent"] == parent);
    CHECK(daemon.call("DELETE", "/containers/" + id + "?force=1").status == 204);
    CHECK_FALSE(fs::exists(group));
    for (const char* wrong : {"../up", "a/../../b", "name:x"}) {
        const json body = {{"Image", "drydock/base"}, {"HostConfig", {{"CgroupParent", wrong}}}};
        CHECK(daemon.call("POST", "/containers/create", body.dump()).status == 400);
    }
    for (const auto& tree : fs::directory_iterator("/sys/fs/cgroup")) {
        std::error_code nothing;
        fs::remove(tree.path() / parent, nothing);
    }
    std::error_code nothing;
    fs::remove(fs::path("/sys/fs/cgroup") / parent, nothing);
}

TEST_CASE("block I/O: rates of a device are in the container's cgroup", "[07][resources]") {
    const auto disk = some_disk();
    if (!disk) {
        drydock::testing::skip_test("this machine has no block device with a node in /dev");
        return;
    }
    const TestDaemon daemon;
    const auto rate = [&](std::int64_t number) {
        return json::array({{{"Path", disk->path}, {"Rate", number}}});
    };
    const std::string id = daemon.create("sleep 1000", {{"HostConfig",
                                                         {{"BlkioDeviceReadBps", rate(1 << 20)},
                                                          {"BlkioDeviceWriteBps", rate(2 << 20)},
                                                          {"BlkioDeviceReadIOps", rate(100)},
                                                          {"BlkioDeviceWriteIOps", rate(200)}}}});
    const Reply started = daemon.call("POST", "/containers/" + id + "/start");
    if (started.status == 500 && !fs::exists("/sys/fs/cgroup/blkio")) {
        // No controller for it: then asking for a limit is an error, and never nothing.
        CHECK_THAT(started.body, ContainsSubstring("io"));
        return;
    }
    REQUIRE(started.status == 204);
    const fs::path group = cgroup_of(pid_of(daemon, id), "blkio");
    if (fs::exists(group / "io.max")) {
        CHECK(line_of(group / "io.max") ==
              disk->numbers + " rbps=1048576 wbps=2097152 riops=100 wiops=200");
        return;
    }
    CHECK(line_of(group / "blkio.throttle.read_bps_device") == disk->numbers + " 1048576");
    CHECK(line_of(group / "blkio.throttle.write_bps_device") == disk->numbers + " 2097152");
    CHECK(line_of(group / "blkio.throttle.read_iops_device") == disk->numbers + " 100");
    CHECK(line_of(group / "blkio.throttle.write_iops_device") == disk->numbers + " 200");
    CHECK(host_config(daemon, id)["BlkioDeviceReadBps"][0]["Rate"] == 1 << 20);
}

TEST_CASE("block I/O: a weight is set, or it is said that the kernel has none", "[07][resources]") {
    const TestDaemon daemon;
    const std::string id = daemon.create("sleep 1000", {{"HostConfig", {{"BlkioWeight", 300}}}});
    const Reply started = daemon.call("POST", "/containers/" + id + "/start");
    if (started.status == 204) {
        const fs::path group = cgroup_of(pid_of(daemon, id), "blkio");
        std::string weights;
        for (const char* name :
             {"blkio.bfq.weight", "blkio.weight", "io.bfq.weight", "io.weight"}) {
            weights += fs::exists(group / name) ? line_of(group / name) + "\n" : "";
        }
        CHECK_THAT(weights, ContainsSubstring("300") || ContainsSubstring("2930") ||
                                ContainsSubstring("2929"));
    } else {
        CHECK_THAT(started.json()["message"].get<std::string>(), ContainsSubstring("weight"));
        CHECK(daemon.state(id)["Running"] == false);
    }
    for (const json& wrong :
         {json{{"BlkioWeight", 5}}, json{{"BlkioWeight", 1001}},
          json{{"BlkioDeviceReadBps", json::array({{{"Path", "/dev/null"}, {"Rate", 1}}})}}}) {
        const json body = {{"Image", "drydock/base"}, {"HostConfig", wrong}};
        CHECK(daemon.call("POST", "/containers/create", body.dump()).status == 400);
    }
}

TEST_CASE("platform: an image of another machine is not the one that was asked for",
          "[07][resources]") {
    const TestDaemon daemon;
    const std::string machine = daemon.get("/version").json()["Arch"];
    const auto create = [&](const std::string& platform) {
        return daemon.call("POST", "/containers/create?platform=" + platform,
                           R"({"Image":"drydock/base"})");
    };
    CHECK(create("linux/" + machine).status == 201);
    CHECK(create(machine).status == 201);
    CHECK(create("linux").status == 201);
    const Reply other = create("linux/s390x");
    CHECK(other.status == 404);
    CHECK(other.json()["message"] ==
          "image with reference drydock/base was found but does not match the specified platform: "
          "wanted linux/s390x, actual: linux/" +
              machine);
    for (const char* wrong : {"linux//x", "linux/amd64/v1/x", "plan9/amd64", "lin%20ux", "pdp11"}) {
        INFO(wrong);
        CHECK(create(wrong).status == 400);
    }
    CHECK(daemon.call("POST", "/build?platform=linux/s390x").status == 501);
}
