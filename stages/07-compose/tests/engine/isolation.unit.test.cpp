#include "07-compose/engine/isolation.hpp"

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::oci_seccomp;
using drydock::testing::ContainsSubstring;
using nlohmann::json;

TEST_CASE("isolation: rules of a seccomp profile hold for their capabilities, machine and kernel",
          "[07][isolation]") {
    const std::string profile = R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
                    {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": null}],
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [], "comment": "", "includes": {}, "excludes": {}},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["arm_sync"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"names": ["later"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "999.0"}},
            {"name": "bpf", "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]})";
    const auto names_with = [&](const std::vector<std::string>& capabilities) {
        std::string names;
        const json result = json::parse(oci_seccomp(profile, capabilities));
        for (const json& rule : result["syscalls"]) {
            names += rule["names"][0].get<std::string>() + " ";
        }
        CHECK(result["architectures"].size() == 3);
        CHECK(result["defaultErrnoRet"] == 1);
        return names;
    };
    CHECK(names_with({}) == "read clone ptrace bpf ");
    CHECK(names_with({"CAP_SYS_ADMIN"}) == "read mount ptrace bpf ");
}

TEST_CASE("isolation: a seccomp profile that is none is refused with its place",
          "[07][isolation]") {
    const auto refusal = [](const char* text, const char* why) {
        CHECK_THROWS_WITH(oci_seccomp(text, {}), ContainsSubstring(why));
    };
    refusal("{", "seccomp profile");
    refusal("[]", "/defaultAction");
    refusal(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [7]})", "/syscalls/0");
    refusal(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ALLOW"}]})",
            "/syscalls/0/names");
    refusal(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"]}]})",
            "/syscalls/0/action");
    refusal(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"],
        "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "new"}}]})",
            "minKernel");
}

TEST_CASE("isolation: rules about devices are docker's", "[07][isolation]") {
    using drydock::parse_device_rule;
    CHECK(drydock::to_text(parse_device_rule("c 1:3 rwm")) == "c 1:3 rwm");
    CHECK(drydock::to_text(parse_device_rule("b *:7 r")) == "b *:7 r");
    for (const char* wrong : {"", "c 1:3", "d 1:3 r", "c 1:3 x", "c 1 r", "c -1:3 r"}) {
        CHECK_THROWS_AS(parse_device_rule(wrong), drydock::InputError);
    }
}

}  // namespace
