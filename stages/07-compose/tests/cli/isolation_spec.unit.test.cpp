#include "07-compose/cli/isolation_spec.hpp"

#include <fstream>

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::cli::IsolationSpec;
using drydock::testing::ContainsSubstring;
using nlohmann::json;

json host_of(const IsolationSpec& spec) {
    json host = json::object();
    put_isolation(host, spec);
    return host;
}

TEST_CASE("isolation flags: nothing said is nothing sent", "[07][cli]") {
    CHECK(host_of({}) == json::object());
}

TEST_CASE("isolation flags: devices, ulimits and rates in docker's forms", "[07][cli]") {
    const json host =
        host_of({.devices = {"/dev/fuse", "/dev/a:r", "/dev/a:/dev/b", "/dev/a:/dev/b:rw"},
                 .ulimits = {"nofile=1024", "core=0:-1", "nproc=1:unlimited"},
                 .io_read_bytes = {"/dev/sda:1mb"},
                 .io_writes = {"/dev/sda:30"}});
    CHECK(host["Devices"][0] == json{{"PathOnHost", "/dev/fuse"},
                                     {"PathInContainer", "/dev/fuse"},
                                     {"CgroupPermissions", "rwm"}});
    CHECK(host["Devices"][1]["CgroupPermissions"] == "r");
    CHECK(host["Devices"][2]["PathInContainer"] == "/dev/b");
    CHECK(host["Devices"][3]["CgroupPermissions"] == "rw");
    CHECK(host["Ulimits"][0] == json{{"Name", "nofile"}, {"Soft", 1024}, {"Hard", 1024}});
    CHECK(host["Ulimits"][1]["Hard"] == -1);
    CHECK(host["Ulimits"][2]["Hard"] == -1);
    CHECK(host["BlkioDeviceReadBps"][0] == json{{"Path", "/dev/sda"}, {"Rate", 1 << 20}});
    CHECK(host["BlkioDeviceWriteIOps"][0]["Rate"] == 30);
    const auto wrong = [](const IsolationSpec& spec, const char* why) {
        CHECK_THROWS_WITH(host_of(spec), ContainsSubstring(why));
    };
    wrong({.devices = {"fuse"}}, "device \"fuse\": expected");
    wrong({.devices = {"/dev/a:/dev/b:xyz"}}, "device \"/dev/a:/dev/b:xyz\"");
    wrong({.ulimits = {"nofile"}}, "ulimit \"nofile\": expected NAME=SOFT");
    wrong({.ulimits = {"nofile=many"}}, "ulimit \"nofile=many\"");
    wrong({.io_writes = {"/dev/sda"}}, "expected DEVICE:NUMBER");
}

TEST_CASE("isolation flags: a seccomp profile is sent as what stands in its file", "[07][cli]") {
    const drydock::TempDir directory("drydock-profile-");
    const std::string file = directory.path() / "profile.json";
    std::ofstream(file) << "{\n \"defaultAction\": \"SCMP_ACT_ALLOW\"\n}";
    const json host = host_of({.security = {"seccomp=" + file, "no-new-privileges",
                                            "systempaths=unconfined", "seccomp=unconfined"}});
    CHECK(host["SecurityOpt"] == json{"seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
                                      "no-new-privileges", "seccomp=unconfined"});
    CHECK(host["MaskedPaths"] == json::array());
    CHECK(host["ReadonlyPaths"] == json::array());
    std::ofstream(file) << "nothing";
    CHECK_THROWS_WITH(host_of({.security = {"seccomp=" + file}}), ContainsSubstring("is no JSON"));
}

}  // namespace
