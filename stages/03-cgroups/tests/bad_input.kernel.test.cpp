// What a user can get wrong, or a machine can lack: one clear line, nothing started, nothing left.
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/oci_config.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"
#include "testing/skip.hpp"

#include "bundle_fixture.hpp"
#include "conformance_bundle.hpp"

namespace fs = std::filesystem;
using namespace drydock::testing;
using nlohmann::json;

namespace {

std::size_t lines_of_file(const char* path) {
    const std::string text = drydock::read_file(path);
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

/// Runs it as it is on disk: it must fail with one line that has `expected` in it, and leave no
/// mount, group or state.
void check_one_line(const ConformanceBundle& bundle, const std::string& expected) {
    const std::size_t mounts = lines_of_file("/proc/self/mountinfo");
    const std::string id = ConformanceBundle::id();
    const Outcome outcome =
        run_program(bundle.command({"run", "-b", bundle.directory().native(), id}));
    CHECK(outcome.status != 0);
    CHECK(outcome.out.empty());
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
    CHECK_THAT(outcome.err, ContainsSubstring(expected));
    CHECK(lines_of_file("/proc/self/mountinfo") == mounts);
    CHECK(cgroups_named(id).empty());
    CHECK(!fs::exists(bundle.state() / id));
}

void check_config(const std::string& pointer, const json& value, const std::string& expected) {
    CAPTURE(pointer);
    ConformanceBundle bundle;
    bundle.shell("echo started");
    bundle.config[json::json_pointer(pointer)] = value;
    bundle.write();
    check_one_line(bundle, expected);
}

}  // namespace

TEST_CASE("bad input: a bundle without config.json, with a broken one, with one of 100 MiB",
          "[03][bad-input]") {
    ConformanceBundle bundle;
    check_one_line(bundle, "config.json: no such file; expected an OCI bundle");
    bundle.write_text("{\"ociVersion\": \"1.0.2\",\n \"process\": }");
    check_one_line(bundle, "config.json: parse error at line 2, column");
    bundle.write_text("");
    check_one_line(bundle, "config.json: parse error");
    bundle.write_text("{}");
    constexpr off_t k100MiB = off_t{100} << 20;
    drydock::check(::truncate((bundle.directory() / "config.json").c_str(), k100MiB), "truncate()");
    check_one_line(bundle, "config.json: larger than 16777216 bytes");
}

TEST_CASE("bad input: two million mounts and two million bytes of environment", "[03][bad-input]") {
    ConformanceBundle bundle;
    std::string text = bundle.config.dump();
    const auto mounts = text.find("\"mounts\":[") + 10;
    std::string many;
    for (int i = 0; i < 200'000; ++i) {
        many += R"({"destination":"/m","type":"tmpfs"},)";
    }
    bundle.write_text(text.substr(0, mounts) + many + text.substr(mounts));
    check_one_line(bundle, "/mounts: expected at most 100000 elements");
    for (int i = 0; i < 4; ++i) {
        many += many;
    }
    bundle.write_text(text.substr(0, mounts) + many + text.substr(mounts));
    check_one_line(bundle, "larger than 16777216 bytes");

    ConformanceBundle environment;
    environment.process()["env"] = {"A=" + std::string(2'000'000, 'x')};
    environment.shell("echo started");
    environment.write();
    check_one_line(environment, "argument list too long");
}

TEST_CASE("bad input: a list of ID maps longer than the kernel takes", "[03][bad-input]") {
    json maps = json::array();
    for (int i = 0; i < 5000; ++i) {
        maps.push_back({{"containerID", i}, {"hostID", i}, {"size", 1}});
    }
    check_config("/linux/uidMappings", maps, "/linux/uidMappings: expected at most 340 elements");
}

TEST_CASE("bad input: a root that is missing, a file or a symbolic link", "[03][bad-input]") {
    check_config("/root/path", "nowhere", "/root/path: ");
    check_config("/root/path", "config.json", "/root/path: ");
    ConformanceBundle bundle;
    fs::rename(bundle.rootfs(), bundle.directory() / "elsewhere");
    fs::create_directory_symlink("elsewhere", bundle.rootfs());
    bundle.write();
    check_one_line(bundle, "expected a directory, got a symbolic link");
}

TEST_CASE("bad input: /dev and /proc that are symbolic links", "[03][bad-input]") {
    for (const char* name : {"dev", "proc"}) {
        ConformanceBundle bundle;
        fs::remove(bundle.rootfs() / name);
        fs::create_symlink("tmp", bundle.rootfs() / name);
        bundle.write();
        check_one_line(bundle, fmt::format("/{}: a symbolic link of the root leads to /tmp", name));
    }
}

TEST_CASE("bad input: a working directory that is relative, a file, or leads outside",
          "[03][bad-input]") {
    check_config("/process/cwd", "tmp", "/process/cwd: expected an absolute path");
    check_config("/process/cwd", "/probe", "/probe");
    for (const char* outside : {"/proc/self/fd/3", "/proc/self/fd/5", "/proc/self/fd/7"}) {
        ConformanceBundle bundle;
        bundle.process()["cwd"] = outside;
        bundle.shell("pwd");
        bundle.write();
        const Outcome outcome = bundle.run_written();
        CHECK(outcome.status != 0);
        CHECK(outcome.out.empty());
    }
}

TEST_CASE("bad input: a command that is not there, or cannot be run", "[03][bad-input]") {
    check_config("/process/args", {"nosuch"}, "\"nosuch\": executable file not found in $PATH");
    check_config("/process/args", {"/no/such"}, "\"/no/such\": no such file");
    check_config("/process/args", {"/etc/passwd"}, "\"/etc/passwd\": permission denied");
}

TEST_CASE("bad input: a capability that is none", "[03][bad-input]") {
    check_config("/process/capabilities", {{"bounding", {"CAP_CHOWN", "CAP_FLY"}}},
                 "/process/capabilities/bounding/1: capability CAP_FLY");
}

TEST_CASE("bad input: a sysctl of the whole machine, or of a namespace that is shared",
          "[03][bad-input]") {
    check_config("/linux/sysctl", {{"kernel.core_pattern", "x"}}, "sysctl \"kernel.core_pattern\"");
    ConformanceBundle bundle;
    bundle.linux_part()["namespaces"] = json::array({{{"type", "mount"}}, {{"type", "pid"}}});
    bundle.linux_part()["sysctl"] = {{"net.ipv4.ip_forward", "1"}};
    bundle.write();
    check_one_line(bundle, "sysctl \"net.ipv4.ip_forward\"");
}

TEST_CASE("bad input: limits below what can work", "[03][bad-input]") {
    check_config("/linux/resources/memory", {{"limit", 1024}}, "/linux/resources: expected memory");
    check_config("/linux/resources/cpu", {{"quota", 1}, {"period", 100000}}, "/linux/resources");
}

TEST_CASE("bad input: an explicit limit above the runtime's own", "[03][bad-input]") {
    const Outcome outcome = [] {
        ConformanceBundle bundle;
        bundle.process()["rlimits"] =
            json::array({{{"type", "RLIMIT_NOFILE"}, {"soft", 10}, {"hard", 1ULL << 40}}});
        return bundle.run();
    }();
    CHECK(outcome.status != 0);
    CHECK_THAT(outcome.err, ContainsSubstring("RLIMIT_NOFILE"));
}

TEST_CASE("bad input: a default limit above the runtime's own is cut, with one warning",
          "[03][bad-input]") {
    const std::string seen = text_from_child([] {
        rlimit limit{.rlim_cur = 512, .rlim_max = 512};
        drydock::check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit()");
        ConformanceBundle bundle;
        bundle.process().erase("rlimits");
        bundle.shell("ulimit -Hn");
        const Outcome outcome = bundle.run();
        return outcome.out + outcome.err;
    });
    CHECK_THAT(seen,
               ContainsSubstring("512\n") && ContainsSubstring("warning: RLIMIT_NOFILE: 512"));
    CHECK(std::count(seen.begin(), seen.end(), '\n') == 2);
}

TEST_CASE("bad input: an oomScoreAdj that takes CAP_SYS_RESOURCE is warned about without it",
          "[03][bad-input]") {
    ConformanceBundle bundle;
    bundle.process()["oomScoreAdj"] = -500;
    bundle.shell("cat /proc/self/oom_score_adj");
    const Outcome outcome = bundle.run();
    CHECK(outcome.status == 0);
    const bool lowered = outcome.out == "-500\n";
    CHECK((lowered || outcome.err.find("needs CAP_SYS_RESOURCE") != std::string::npos));
}

TEST_CASE("bad input: no room for the state", "[03][bad-input]") {
    const int clean = in_mount_namespace([] {
        ConformanceBundle bundle;
        fs::create_directories(bundle.state());
        drydock::check(::mount("t", bundle.state().c_str(), "tmpfs", 0, "size=4k,nr_inodes=2"),
                       "mount()");
        bundle.shell("echo started");
        const Outcome outcome = bundle.run();
        const bool clear = outcome.err.find("No space left on device") != std::string::npos &&
                           std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1;
        const bool empty = fs::is_empty(bundle.state());
        ::umount2(bundle.state().c_str(), MNT_DETACH);
        return outcome.status != 0 && outcome.out.empty() && clear && empty ? 0 : 1;
    });
    CHECK(clean == 0);
}

TEST_CASE("bad input: no descriptors left", "[03][bad-input]") {
    if (kSanitized) {
        skip_test("sanitizers need descriptors of their own");
        return;
    }
    ConformanceBundle bundle;
    bundle.shell("true");
    bundle.process()["rlimits"] =
        json::array({{{"type", "RLIMIT_NOFILE"}, {"soft", 3}, {"hard", 3}}});
    bundle.write();
    for (const rlim_t most : {4, 5, 6, 7, 8, 9, 10, 12, 14}) {
        CAPTURE(most);
        const std::string id = ConformanceBundle::id();
        const std::string seen = text_from_child([&] {
            Outcome outcome;
            // prlimit, because this child needs descriptors to read what the runtime says.
            std::vector<std::string> argv = {"/usr/bin/prlimit",
                                             "--nofile=" + std::to_string(most)};
            for (const std::string& word :
                 bundle.command({"run", "-b", bundle.directory().native(), id})) {
                argv.push_back(word);
            }
            outcome = run_program(argv);
            return fmt::format("{} {}", outcome.status, outcome.err);
        });
        CHECK((seen.starts_with("0 ") || std::count(seen.begin(), seen.end(), '\n') == 1));
        CHECK(cgroups_named(id).empty());
        // To remove something takes a descriptor too; with some again it goes.
        CHECK(run_program(bundle.command({"delete", "--force", id})).status == 0);
        CHECK(!fs::exists(bundle.state() / id));
    }
}
