// The steps that are a call or two: host name, loopback, ID maps, joining, capabilities, limits,
// user, session.
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "02-namespaces/capabilities.hpp"
#include "02-namespaces/hostname.hpp"
#include "02-namespaces/id_map.hpp"
#include "02-namespaces/init.hpp"
#include "02-namespaces/join.hpp"
#include "02-namespaces/link.hpp"
#include "02-namespaces/namespaces.hpp"
#include "02-namespaces/rlimits.hpp"
#include "02-namespaces/user.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

namespace fs = std::filesystem;
using drydock::Child;
using drydock::testing::ContainsSubstring;
using drydock::testing::in_child;
using drydock::testing::in_child_as;
using drydock::testing::text_from_child;

namespace {

std::string hostname() {
    std::array<char, 256> name{};
    ::gethostname(name.data(), name.size() - 1);
    return name.data();
}

ino_t inode_of(const char* ns, pid_t pid) {
    struct stat status{};
    ::stat(("/proc/" + std::to_string(pid) + "/ns/" + ns).c_str(), &status);
    return status.st_ino;
}

/// The value of one line of /proc/self/status.
std::string status_of(const std::string& name) {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(name + ":\t")) {
            return line.substr(name.size() + 2);
        }
    }
    return {};
}

/// A child in new namespaces that stays until its owner goes.
Child child_in(std::uint64_t flags) {
    Child child = drydock::clone_child(flags);
    if (!child) {
        while (true) {
            ::pause();
        }
    }
    return child;
}

}  // namespace

TEST_CASE("set_hostname: the name inside, and the host keeps its own", "[02][hostname]") {
    const std::string before = hostname();
    const std::string inside = text_from_child([] {
        drydock::check(::unshare(CLONE_NEWUTS), "unshare(CLONE_NEWUTS)");
        drydock::set_hostname("vessel");
        return hostname();
    });
    CHECK(inside == "vessel");
    CHECK(hostname() == before);
    CHECK_THROWS_AS(drydock::set_hostname(std::string(65, 'x')), drydock::InputError);
}

TEST_CASE("set_domainname: the name inside, and too long a one is refused", "[02][hostname]") {
    CHECK(text_from_child([] {
              drydock::check(::unshare(CLONE_NEWUTS), "unshare(CLONE_NEWUTS)");
              drydock::set_domainname("harbour");
              return drydock::read_file("/proc/sys/kernel/domainname");
          }) == "harbour\n");
    CHECK_THROWS_AS(drydock::set_domainname(std::string(65, 'x')), drydock::InputError);
}

TEST_CASE("become_undumpable: nobody may dump the process or look into it", "[02][init]") {
    CHECK(in_child([] {
              drydock::become_undumpable();
              return ::prctl(PR_GET_DUMPABLE);
          }) == 0);
}

TEST_CASE("make_namespaces: the process itself is in new ones", "[02][join]") {
    const pid_t self = ::getpid();
    CHECK(in_child([self] {
              drydock::make_namespaces(CLONE_NEWUTS | CLONE_NEWIPC);
              const pid_t own = ::getpid();
              return (inode_of("uts", own) != inode_of("uts", self) ? 1 : 0) +
                     (inode_of("ipc", own) != inode_of("ipc", self) ? 2 : 0) +
                     (inode_of("mnt", own) != inode_of("mnt", self) ? 4 : 0);
          }) == 3);
}

TEST_CASE("become_root_inside: user and group are the namespace's root", "[02][id-map]") {
    CHECK(text_from_child([] {
              const Child owner = child_in(CLONE_NEWUSER);
              const drydock::IdRange one{.inside = 0, .outside = 1000, .count = 1};
              drydock::write_id_maps(owner.pid(), {.uids = {one}, .gids = {one}});
              drydock::join_namespaces(owner.pidfd(), CLONE_NEWUSER);
              drydock::become_root_inside();
              return status_of("Uid") + "|" + status_of("Gid");
          }) == "0\t0\t0\t0|0\t0\t0\t0");
}

TEST_CASE("become_first_inside: the first ID there is, where there is no root", "[02][id-map]") {
    CHECK(text_from_child([] {
              const Child owner = child_in(CLONE_NEWUSER);
              const drydock::IdMaps maps{.uids = {{.inside = 5, .outside = 1000, .count = 1}},
                                         .gids = {{.inside = 6, .outside = 1000, .count = 1}}};
              drydock::write_id_maps(owner.pid(), maps);
              drydock::join_namespaces(owner.pidfd(), CLONE_NEWUSER);
              drydock::become_first_inside(maps);
              return status_of("Uid") + "|" + status_of("Gid");
          }) == "5\t5\t5\t5|6\t6\t6\t6");
}

TEST_CASE("loopback_up: 127.0.0.1 can be listened on", "[02][link]") {
    const std::string flags = text_from_child([] {
        drydock::check(::unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)");
        drydock::loopback_up();
        return drydock::read_file("/proc/net/if_inet6") + drydock::read_file("/proc/net/fib_trie");
    });
    CHECK_THAT(flags, ContainsSubstring("127.0.0.1"));
    CHECK_THAT(flags, ContainsSubstring("00000000000000000000000000000001"));
}

TEST_CASE("write_id_maps: root inside is the caller outside, and groups cannot be dropped",
          "[02][id_map]") {
    const std::string seen = drydock::testing::text_from_child([] {
        drydock::check(::setresgid(65534, 65534, 65534), "setresgid()");
        drydock::check(::setresuid(65534, 65534, 65534), "setresuid()");
        drydock::check(::prctl(PR_SET_DUMPABLE, 1), "prctl(PR_SET_DUMPABLE)");
        const Child child = child_in(CLONE_NEWUSER);
        drydock::write_id_maps(child.pid(), drydock::own_id_maps());
        const std::string proc = "/proc/" + std::to_string(child.pid());
        return drydock::read_file(proc + "/uid_map") + drydock::read_file(proc + "/gid_map") +
               drydock::read_file(proc + "/setgroups");
    });
    CHECK(seen == "         0      65534          1\n         0      65534          1\ndeny\n");
}

TEST_CASE("write_id_maps: root maps the ordinary IDs, and groups may be set", "[02][id_map]") {
    const Child child = child_in(CLONE_NEWUSER);
    drydock::write_id_maps(child.pid(), drydock::own_id_maps());
    const std::string proc = "/proc/" + std::to_string(child.pid());
    CHECK(drydock::read_file(proc + "/uid_map") == "         0          0      65536\n");
    CHECK(drydock::read_file(proc + "/setgroups") == "allow\n");
    // A map is for once.
    CHECK_THROWS_WITH(drydock::write_id_maps(child.pid(), drydock::own_id_maps()),
                      ContainsSubstring("write(uid_map") && ContainsSubstring("not permitted"));
}

TEST_CASE("become_root_inside: user and group 0", "[02][id_map]") {
    const Child child = child_in(CLONE_NEWUSER);
    drydock::write_id_maps(child.pid(), drydock::own_id_maps());
    const int fact = in_child([&] {
        drydock::join_namespaces(child.pidfd(), CLONE_NEWUSER);
        drydock::become_root_inside();
        return ::getuid() == 0 && ::getgid() == 0 ? 0 : 1;
    });
    CHECK(fact == 0);
}

TEST_CASE("join_namespaces: all that were asked for and no others", "[02][join]") {
    const Child child = child_in(CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWIPC);
    const int fact = in_child([&] {
        drydock::join_namespaces(child.pidfd(), CLONE_NEWUTS | CLONE_NEWNET);
        const auto same = [&](const char* ns) {
            return inode_of(ns, ::getpid()) == inode_of(ns, child.pid());
        };
        return same("uts") && same("net") && !same("ipc") ? 0 : 1;
    });
    CHECK(fact == 0);
}

TEST_CASE("join_namespace: by path, EINVAL for another kind", "[02][join]") {
    const Child child = child_in(CLONE_NEWUTS);
    const std::string path = "/proc/" + std::to_string(child.pid()) + "/ns/uts";
    const int fact = in_child([&] {
        drydock::join_namespace(path, CLONE_NEWUTS);
        return inode_of("uts", ::getpid()) == inode_of("uts", child.pid()) ? 0 : 1;
    });
    CHECK(fact == 0);
    CHECK_THROWS_WITH(drydock::join_namespace(path, CLONE_NEWNET),
                      ContainsSubstring("CLONE_NEWNET): Invalid argument"));
}

TEST_CASE("capabilities: exactly these, nothing inheritable or ambient", "[02][capabilities]") {
    const std::string sets = text_from_child([] {
        drydock::bound_capabilities(drydock::kDefaultCapabilities);
        drydock::set_capabilities(drydock::capabilities_for(0, drydock::kDefaultCapabilities));
        return status_of("CapInh") + status_of("CapPrm") + status_of("CapEff") +
               status_of("CapBnd") + status_of("CapAmb");
    });
    CHECK(sets ==
          "0000000000000000"
          "00000000a80425fb"
          "00000000a80425fb"
          "00000000a80425fb"
          "0000000000000000");
}

TEST_CASE("capabilities: for who is not root only the bound is left", "[02][capabilities]") {
    const std::string sets = text_from_child([] {
        drydock::bound_capabilities(drydock::kDefaultCapabilities);
        drydock::become_user({.uid = 1000, .gid = 1000});
        drydock::set_capabilities(drydock::capabilities_for(1000, drydock::kDefaultCapabilities));
        return status_of("CapPrm") + status_of("CapEff") + status_of("CapBnd");
    });
    CHECK(sets ==
          "0000000000000000"
          "0000000000000000"
          "00000000a80425fb");
}

TEST_CASE(
    "capabilities: ambient ones reach a command that is not root's, what we have not is no error",
    "[02][capabilities]") {
    const std::string sets = text_from_child([] {
        const drydock::CapabilitySet set =
            drydock::capability("NET_RAW") | drydock::capability("SYS_RESOURCE");
        drydock::become_user({.uid = 1000, .gid = 1000});
        drydock::set_capabilities(
            {.permitted = set, .effective = set, .inheritable = set, .ambient = set});
        return status_of("CapAmb");
    });
    CHECK((sets == "0000000000002000" || sets == "0000000001002000"));
}

TEST_CASE("capabilities: an ambient one from before goes, also where it stays inheritable",
          "[02][capabilities]") {
    CHECK(text_from_child([] {
              const drydock::CapabilitySet set = drydock::capability("NET_RAW");
              drydock::set_capabilities(
                  {.permitted = set, .effective = set, .inheritable = set, .ambient = set});
              const std::string before = status_of("CapAmb");
              drydock::set_capabilities({.permitted = set, .effective = set, .inheritable = set});
              return before + status_of("CapAmb");
          }) == "00000000000020000000000000000000");
}

TEST_CASE("set_no_new_privs: the bit is set", "[02][capabilities]") {
    CHECK(text_from_child([] {
              drydock::set_no_new_privs();
              return status_of("NoNewPrivs");
          }) == "1");
}

TEST_CASE(
    "become_user: user, group and exactly these groups, and still no orphan when the parent dies",
    "[02][user]") {
    const std::string seen = text_from_child([] {
        const std::array<gid_t, 2> extra = {4, 5};  // what a daemon may have been started with
        drydock::check(::setgroups(extra.size(), extra.data()), "setgroups()");
        drydock::check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl()");
        drydock::become_user({.uid = 1000, .gid = 1001, .groups = {1001, 1002}});
        int signal = 0;
        ::prctl(PR_GET_PDEATHSIG, &signal);
        return status_of("Uid") + "|" + status_of("Gid") + "|" + status_of("Groups") + "|" +
               std::to_string(signal);
    });
    CHECK(seen == "1000\t1000\t1000\t1000|1001\t1001\t1001\t1001|1001 1002 |9");
}

TEST_CASE("become_user: an ID that the namespace does not map is named", "[02][user]") {
    const Child child = child_in(CLONE_NEWUSER);
    drydock::write_id_maps(child.pid(), drydock::own_id_maps());
    const int fact = in_child([&] {
        drydock::join_namespaces(child.pidfd(), CLONE_NEWUSER);
        drydock::become_root_inside();
        try {
            drydock::become_user({.uid = 100000, .gid = 0});
            return 1;
        } catch (const drydock::InputError& e) {
            return std::string(e.what()) == "user: ID 100000 is not mapped in this user namespace"
                       ? 0
                       : 2;
        }
    });
    CHECK(fact == 0);
}

TEST_CASE("set_rlimits: the limits hold, defaults are cut to what we may give", "[02][rlimits]") {
    const int fact = in_child([] {
        const rlimit low{.rlim_cur = 500, .rlim_max = 600};
        drydock::check(::setrlimit(RLIMIT_NOFILE, &low), "setrlimit()");
        drydock::set_rlimits(drydock::default_rlimits());
        rlimit files{};
        rlimit core{};
        ::getrlimit(RLIMIT_NOFILE, &files);
        ::getrlimit(RLIMIT_CORE, &core);
        return files.rlim_cur == 600 && files.rlim_max == 600 && core.rlim_cur == 0 ? 0 : 1;
    });
    CHECK(fact == 0);
}

TEST_CASE("set_rlimits: what cannot be met is an error that names it", "[02][rlimits]") {
    const int fact = in_child_as(65534, [] {
        rlimit own{};
        ::getrlimit(RLIMIT_NOFILE, &own);
        try {
            drydock::set_rlimits(std::vector<drydock::Rlimit>{
                {"RLIMIT_NOFILE", own.rlim_max + 1, own.rlim_max + 1}});
            return 1;
        } catch (const std::system_error& e) {
            return std::string(e.what()).find("setrlimit(RLIMIT_NOFILE, soft=") == 0 ? 0 : 2;
        }
    });
    CHECK(fact == 0);
}

TEST_CASE("leave_terminal: a session of one's own", "[02][init]") {
    CHECK(in_child([] {
              drydock::leave_terminal();
              return ::getsid(0) == ::getpid() ? 0 : 1;
          }) == 0);
}

TEST_CASE("require_user_namespaces: fine where they can be had, else it says which switch",
          "[02][namespaces]") {
    CHECK(in_child_as(65534, [] {
              drydock::require_user_namespaces();
              return 0;
          }) == 0);
    const std::string message = text_from_child([]() -> std::string {
        const Child owner = child_in(CLONE_NEWUSER);
        drydock::write_id_maps(owner.pid(), drydock::own_id_maps());
        drydock::join_namespaces(owner.pidfd(), CLONE_NEWUSER);
        drydock::write_once(AT_FDCWD, "/proc/sys/user/max_user_namespaces", "0");
        try {
            drydock::require_user_namespaces();
            return "no error";
        } catch (const drydock::SetupError& e) {
            return e.what();
        }
    });
    CHECK(
        message ==
        "no root and no user namespaces: the sysctl user.max_user_namespaces is 0, or run as root");
}

TEST_CASE("require_user_namespaces: in a chroot it names that as the reason", "[02][namespaces]") {
    const drydock::TempDir root("drydock-chroot-");
    const std::string message = text_from_child([&]() -> std::string {
        drydock::check(::chroot(root.path().c_str()), "chroot");
        try {
            drydock::require_user_namespaces();
            return "no error";
        } catch (const drydock::SetupError& e) {
            return e.what();
        }
    });
    CHECK(message ==
          "no root and no user namespaces: the kernel makes none in a chroot "
          "(user_namespaces(7)); leave it, or run as root");
}
