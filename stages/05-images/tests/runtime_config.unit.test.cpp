#include "05-images/runtime_config.hpp"

#include <algorithm>

#include "01-chroot/error.hpp"
#include "03-cgroups/oci_config.hpp"

#include "testing/catch.hpp"

using drydock::ContainerOptions;
using drydock::InputError;
using drydock::testing::ContainsSubstring;
using Words = std::vector<std::string>;
using MaybeWords = std::optional<Words>;

namespace {

drydock::oci::Config read_back(const drydock::oci::ExecutionConfig& image,
                               const ContainerOptions& options, const std::string& user = "") {
    const drydock::ResolvedUser resolved =
        drydock::resolve_user(user, {}, [](std::string_view) { return std::nullopt; });
    const drydock::oci::Mount rootfs{
        .destination = "/", .type = "overlay", .source = "overlay", .options = {"lowerdir=/a"}};
    const auto read = drydock::oci::parse_config(
        drydock::runtime_config(image, options, rootfs, resolved), "config.json");
    CHECK(read.warnings.empty());
    return read.config;
}

const drydock::oci::ExecutionConfig kShell{.cmd = Words{"sh"}};

}  // namespace

TEST_CASE("command_of: entrypoint and cmd of image and options", "[05][runtime-config]") {
    struct Row {
        MaybeWords image_entrypoint, image_cmd, entrypoint, cmd;
        Words expected;
    };
    const Words e{"e"}, c{"c"}, x{"x"}, y{"y"};
    const Row row = GENERATE_COPY(values<Row>({
        {{}, c, {}, {}, {"c"}},
        {e, {}, {}, {}, {"e"}},
        {e, c, {}, {}, {"e", "c"}},
        {e, c, {}, y, {"e", "y"}},
        {{}, c, {}, y, {"y"}},
        {e, c, x, {}, {"x"}},
        {e, c, x, y, {"x", "y"}},
        {e, c, Words{""}, y, {"y"}},
        {e, c, Words{}, y, {"y"}},
        {e, c, {}, Words{}, {"e", "c"}},
        {{}, {}, {}, {}, {}},
        {e, c, Words{""}, {}, {}},
    }));
    const drydock::oci::ExecutionConfig image{.entrypoint = row.image_entrypoint,
                                              .cmd = row.image_cmd};
    const ContainerOptions options{.entrypoint = row.entrypoint, .cmd = row.cmd};
    if (row.expected.empty()) {
        CHECK_THROWS_WITH(drydock::command_of(image, options),
                          ContainsSubstring("no command specified"));
    } else {
        CHECK(drydock::command_of(image, options) == row.expected);
    }
}

TEST_CASE("environment_of: options over image over defaults", "[05][runtime-config]") {
    const drydock::oci::ExecutionConfig image{.env = {"PATH=/p", "A=1", "B=2"}};
    const Words env =
        drydock::environment_of(image, {.env = {"A=x", "B", "C="}, .hostname = "h"}, "/home/u");
    CHECK(env == Words{"PATH=/p", "HOSTNAME=h", "HOME=/home/u", "A=x", "C="});
    CHECK_THROWS_AS(drydock::environment_of(image, {.env = {"=x"}}, "/"), InputError);
}

TEST_CASE("runtime_config: the root file system is the first mount, docker's own follow",
          "[05][runtime-config]") {
    const auto config = read_back(kShell, {});
    REQUIRE(config.mounts.size() > 5);
    CHECK(config.mounts[0].destination == "/");
    CHECK(config.mounts[0].type == "overlay");
    CHECK(config.mounts[0].options == Words{"lowerdir=/a"});
    CHECK(config.mounts[1].destination == "/proc");
    CHECK(config.root.path == "rootfs");
}

TEST_CASE("runtime_config: a container is isolated unless somebody says otherwise",
          "[05][runtime-config]") {
    const auto config = read_back(kShell, {});
    Words types;
    for (const auto& entry : config.linux_.namespaces) {
        types.push_back(entry.type);
    }
    std::ranges::sort(types);
    CHECK(types == Words{"cgroup", "ipc", "mount", "network", "pid", "uts"});
    CHECK(config.process.capabilities->bounding.size() == 14);
    CHECK(config.process.capabilities->inheritable.empty());
    CHECK(config.linux_.seccomp.has_value());
    CHECK_FALSE(config.linux_.masked_paths.empty());
    CHECK_FALSE(config.linux_.readonly_paths.empty());
    CHECK_FALSE(config.linux_.device_rules.empty());
}

TEST_CASE("runtime_config: options reach the configuration", "[05][runtime-config]") {
    ContainerOptions options{.workdir = "/w",
                             .hostname = "h",
                             .readonly_rootfs = true,
                             .cap_add = {"net_admin"},
                             .cap_drop = {"MKNOD"}};
    options.limits.memory_bytes = 64 << 20;
    options.limits.nano_cpus = 500'000'000;
    options.limits.pids = 20;
    options.network_namespace = "host";
    options.ipc_namespace = "/proc/1/ns/ipc";
    options.mounts = {
        {.destination = "/data", .type = "bind", .source = "/srv", .options = {"rbind", "ro"}},
        {.destination = "/dev/shm", .type = "tmpfs", .source = "tmpfs"}};
    options.rlimits = {{.type = "RLIMIT_NOFILE", .soft = 10, .hard = 20}};
    const auto config = read_back(kShell, options);
    CHECK(config.process.cwd == "/w");
    CHECK(config.hostname == "h");
    CHECK(config.root.readonly);
    CHECK(config.linux_.limits.memory_bytes == 64 << 20);
    CHECK(config.linux_.limits.nano_cpus == 500'000'000);
    CHECK(config.linux_.limits.pids == 20);
    const auto& bounding = config.process.capabilities->bounding;
    CHECK(std::ranges::count(bounding, "CAP_NET_ADMIN") == 1);
    CHECK(std::ranges::count(bounding, "CAP_MKNOD") == 0);
    CHECK(std::ranges::count(config.linux_.namespaces, "network", &drydock::oci::Namespace::type) ==
          0);
    CHECK(
        std::ranges::find(config.linux_.namespaces, "ipc", &drydock::oci::Namespace::type)->path ==
        "/proc/1/ns/ipc");
    CHECK(config.mounts.back().destination == "/dev/shm");
    CHECK(std::ranges::count(config.mounts, "/dev/shm", &drydock::oci::Mount::destination) == 1);
    CHECK(config.process.rlimits.at(0).hard == 20);
}

TEST_CASE("runtime_config: who is not root has no capabilities at hand", "[05][runtime-config]") {
    const auto config = read_back(kShell, {}, "1000");
    CHECK(config.process.user.uid == 1000);
    CHECK(config.process.capabilities->effective.empty());
}

TEST_CASE("runtime_config: a working directory that is not absolute is refused",
          "[05][runtime-config]") {
    CHECK_THROWS_WITH(read_back(kShell, {.workdir = "w"}),
                      ContainsSubstring("\"w\": expected an absolute path"));
}

TEST_CASE("new_container_id: 64 hex digits, never the same", "[05][runtime-config]") {
    const std::string id = drydock::new_container_id();
    CHECK(id.size() == 64);
    CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(id != drydock::new_container_id());
}
