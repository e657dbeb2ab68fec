// What needs no privileges of the small headers: names, lists, sets.
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "01-chroot/error.hpp"
#include "02-namespaces/capabilities.hpp"
#include "02-namespaces/dev.hpp"
#include "02-namespaces/id_map.hpp"
#include "02-namespaces/masks.hpp"
#include "02-namespaces/rlimits.hpp"

#include "testing/catch.hpp"

using drydock::adjusted;
using drydock::capability;
using drydock::kDefaultCapabilities;
using Names = std::vector<std::string>;

TEST_CASE("capability: by any spelling, and an unknown name is an input error",
          "[02][capabilities]") {
    CHECK(capability("CAP_CHOWN") == 1);
    CHECK(capability("net_raw") == 1U << 13U);
    CHECK(capability("cap_Checkpoint_Restore") == drydock::CapabilitySet{1} << 40U);
    CHECK_THROWS_AS(capability("CAP_NONSENSE"), drydock::InputError);
    CHECK_THROWS_AS(capability(""), drydock::InputError);
    CHECK(drydock::capability_names(0x3) == Names{"CAP_CHOWN", "CAP_DAC_OVERRIDE"});
}

TEST_CASE("kDefaultCapabilities: docker's fourteen", "[02][capabilities]") {
    CHECK(drydock::capability_names(kDefaultCapabilities) ==
          Names{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
                "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",
                "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP"});
}

TEST_CASE("adjusted: add, drop and ALL", "[02][capabilities]") {
    CHECK(adjusted(1, Names{"NET_RAW"}, Names{}) == (1 | 1U << 13U));
    CHECK(adjusted(3, Names{}, Names{"CHOWN"}) == 2);
    CHECK(adjusted(kDefaultCapabilities, Names{"NET_ADMIN"}, Names{"ALL"}) ==
          capability("NET_ADMIN"));
    CHECK(adjusted(kDefaultCapabilities, Names{"ALL"}, Names{"SYS_ADMIN"}) ==
          (adjusted(0, Names{"ALL"}, Names{}) & ~capability("SYS_ADMIN")));
    CHECK_THROWS_AS(adjusted(0, Names{}, Names{"X"}), drydock::InputError);
}

TEST_CASE("maps: inside a range or not, up to the last ID", "[02][id_map]") {
    const std::vector<drydock::IdRange> ranges = {{0, 1000, 1}, {10, 2000, 5}};
    CHECK(drydock::maps(ranges, 0));
    CHECK_FALSE(drydock::maps(ranges, 1));
    CHECK(drydock::maps(ranges, 14));
    CHECK_FALSE(drydock::maps(ranges, 15));
    CHECK_FALSE(drydock::maps(ranges, 0xffffffff));
}

TEST_CASE("default_mounts: the runtime-spec's, in an order that works", "[02][dev]") {
    Names targets;
    for (const drydock::MountSpec& mount : drydock::default_mounts()) {
        targets.push_back(mount.target.native());
    }
    CHECK(targets == Names{"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"});
    const auto mounts = drydock::default_mounts({.maps_tty_group = false});
    CHECK(mounts[2].data.find("gid=") == std::string::npos);
    CHECK(drydock::default_mounts({.host_network = true, .user_namespace = true}).back().source ==
          "/sys");
}

TEST_CASE("default_masked_paths: what tells about the host", "[02][masks]") {
    const Names masked = drydock::default_masked_paths();
    for (const char* path :
         {"/proc/keys", "/proc/kcore", "/proc/interrupts", "/proc/timer_list", "/sys/firmware"}) {
        CHECK(std::ranges::count(masked, path) == 1);
    }
    CHECK(std::ranges::count(drydock::default_readonly_paths(), "/proc/sys") == 1);
}

TEST_CASE("set_rlimits: an unknown name is an input error", "[02][rlimits]") {
    CHECK_THROWS_AS(drydock::set_rlimits(std::vector<drydock::Rlimit>{{"RLIMIT_NONSENSE", 1, 1}}),
                    drydock::InputError);
}
