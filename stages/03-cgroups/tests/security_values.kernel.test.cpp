// Attacks through values of config.json and through files that say who a user is.
// Each was seen red on runc 1.1.5 (DRYDOCK_RUNTIME=/usr/sbin/runc) or with that one defence taken
// out: docs/threat-model.md.
#include <sys/stat.h>

#include <fstream>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

#include "conformance_bundle.hpp"
#include "life.hpp"

namespace fs = std::filesystem;
using namespace drydock::testing;
using nlohmann::json;

TEST_CASE("C4: only sysctls of the container's own namespaces are set", "[03][security]") {
    const std::string pattern = drydock::read_file("/proc/sys/kernel/core_pattern");
    for (const char* key : {"kernel.core_pattern", "kernel.shm_rmid_forced=1+kernel.core_pattern",
                            "net.../../kernel/core_pattern", "net/../kernel/core_pattern",
                            "kernel.hostname", "vm.overcommit_memory", "fs.file-max"}) {
        CAPTURE(key);
        ConformanceBundle bundle;
        bundle.linux_part()["sysctl"] = {{key, "x"}};
        bundle.shell("echo started");
        check_refused(bundle);
    }
    ConformanceBundle shared;
    json kept = json::array();
    for (const json& ns : shared.linux_part()["namespaces"]) {
        if (ns["type"] != "network") {
            kept.push_back(ns);
        }
    }
    shared.linux_part()["namespaces"] = kept;
    shared.linux_part()["sysctl"] = {{"net.ipv4.ip_forward", "0"}};
    shared.shell("echo started");
    check_refused(shared);
    CHECK(drydock::read_file("/proc/sys/kernel/core_pattern") == pattern);
}

TEST_CASE("B7: IDs that are none are refused, not cut to fit", "[03][security]") {
    const json ids[] = {-1, 4294967295U, 4294967296ULL, "0", "0x0", 1.5, json::array()};
    for (const json& id : ids) {
        CAPTURE(id.dump());
        for (const char* field : {"uid", "gid"}) {
            ConformanceBundle bundle;
            bundle.process()["user"][field] = id;
            bundle.shell("echo started");
            check_refused(bundle);
        }
    }
    ConformanceBundle bundle;
    bundle.process()["user"] = {{"uid", 2147483648U}, {"gid", 2147483648U}};
    CHECK(bundle.world()["uid"] == 2147483648U);
    // A name that looks like a number gives nobody another ID.
    std::ofstream(bundle.rootfs() / "etc/passwd") << "1000:x:0:0::/:/bin/sh\n";
    bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
    CHECK(bundle.world()["uid"] == 1000);
}

TEST_CASE("B7: a passwd that is a pipe, a device or endless neither hangs nor helps",
          "[03][security]") {
    for (const char* kind : {"fifo", "sparse", "kmsg"}) {
        CAPTURE(kind);
        ConformanceBundle bundle;
        const fs::path passwd = bundle.rootfs() / "etc/passwd";
        fs::remove(passwd);
        if (std::string(kind) == "fifo") {
            drydock::check(::mkfifo(passwd.c_str(), 0666), "mkfifo()");
        } else if (std::string(kind) == "sparse") {
            std::ofstream(passwd) << "";
            drydock::check(::truncate(passwd.c_str(), off_t{4} << 30), "truncate()");
        } else {
            fs::create_symlink("/proc/kmsg", passwd);
        }
        bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
        bundle.process()["args"] = {"/probe"};
        const Outcome outcome = bundle.run();
        const json world = json::parse(outcome.out, nullptr, false);
        CHECK((outcome.status != 0 || world["uid"] == 1000));
    }
}
