#include "07-compose/compose/load.hpp"

#include <filesystem>
#include <fstream>

#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"
#include "07-compose/compose/naming.hpp"
#include "07-compose/compose/plan.hpp"

#include "testing/catch.hpp"

using namespace drydock::compose;
using drydock::testing::ContainsSubstring;

namespace {

std::optional<std::string> variable(const std::string& name) {
    return name == "TAG" ? std::optional<std::string>("1.2") : std::nullopt;
}

Project parse(const std::string& text) {
    return parse_project(text, "/srv/My Shop/compose.yaml", "", variable);
}

/// What is said about a service `a` with this line in it.
std::string wrong(const std::string& line) {
    try {
        parse("services:\n  a:\n    image: x\n    " + line + "\n");
    } catch (const std::exception& e) {
        return e.what();
    }
    return "nothing";
}

}  // namespace

TEST_CASE("parse_project: the three services of the demo", "[07][compose][load]") {
    const Project project = parse(R"(services:
  a: {image: "demo/web", deploy: {resources: {limits: {cpus: "0.50", memory: 256M}}}}
  b: {image: "demo/web", depends_on: [a]}
  c: {image: "demo/web", depends_on: [b]}
)");
    CHECK(project.name == "myshop");
    REQUIRE(project.services.size() == 3);
    CHECK(project.service("a").container.nano_cpus == 500'000'000);
    CHECK(project.service("a").container.memory_bytes == 256 << 20);
    CHECK(project.service("c").depends_on == std::vector<std::string>{"b"});
}

TEST_CASE("parse_project: every key that Drydock knows", "[07][compose][load]") {
    const Project project = parse(R"(
version: "3.8"
name: shop
x-common: &common
  image: web:${TAG}
services:
  a:
    image: web:${TAG}
    build: {context: ./a, dockerfile: D, args: [V=1], target: t}
    command: sh -c "echo 'two words'" $$HOME
    entrypoint: ["/entry"]
    environment: {A: 1, TAG: null, EMPTY: ""}
    labels: [k=v, bare]
    mem_limit: 64m
    cpus: 1.5
    deploy: {resources: {limits: {pids: 9}}, mode: replicated}
    container_name: one
    hostname: h
    user: "1000:1000"
    working_dir: /w
    read_only: true
    init: false
    network_mode: none
    restart: "no"
    scale: 1
    depends_on: {b: {condition: service_started}}
    x-mine: {anything: [at, all]}
  b: *common
)");
    CHECK(project.name == "shop");
    const Service& a = project.service("a");
    CHECK(a.container.image == "web:1.2");
    REQUIRE(a.build);
    CHECK(a.build->context == "/srv/My Shop/a");
    CHECK(a.build->dockerfile == "D");
    CHECK(a.build->args.at("V") == "1");
    CHECK(a.container.command == std::vector<std::string>{"sh", "-c", "echo 'two words'", "$HOME"});
    CHECK(a.container.entrypoint == std::vector<std::string>{"/entry"});
    CHECK(a.container.env == std::vector<std::string>{"A=1", "EMPTY=", "TAG=1.2"});
    CHECK(a.container.labels == std::map<std::string, std::string>{{"bare", ""}, {"k", "v"}});
    CHECK(a.container.memory_bytes == 64 << 20);
    CHECK(a.container.nano_cpus == 1'500'000'000);
    CHECK(a.container.pids == 9);
    CHECK(a.container.user == "1000:1000");
    CHECK(a.container.read_only);
    CHECK(a.container.network == "none");
    CHECK(a.depends_on == std::vector<std::string>{"b"});
    CHECK(project.service("b").container.image == "web:1.2");
}

TEST_CASE("parse_project: a wrong key is told with its place and the nearest right one",
          "[07][compose][load]") {
    CHECK_THAT(wrong("enviroment: {A: 1}"), ContainsSubstring("/srv/My Shop/compose.yaml:4:5: ") &&
                                                ContainsSubstring("\"enviroment\"") &&
                                                ContainsSubstring("did you mean \"environment\"?"));
    CHECK_THAT(wrong("deploy: {resources: {limit: {}}}"),
               ContainsSubstring(":4:26:") && ContainsSubstring("\"limits\""));
    CHECK_THROWS_WITH(parse("service:\n  a: {image: x}\n"),
                      ContainsSubstring(":1:1:") && ContainsSubstring("\"services\""));
}

TEST_CASE("parse_project: what Compose has and Drydock has not is told as that",
          "[07][compose][load]") {
    for (const char* line :
         {"links: [b]", "secrets: [b]", "deploy: {resources: {reservations: {}}}"}) {
        CHECK_THAT(wrong(line),
                   ContainsSubstring("not implemented: ") && ContainsSubstring("compose.yaml:4:"));
    }
    CHECK_THROWS_AS(parse("services: {a: {image: x}}\nsecrets: {v: {}}\n"),
                    drydock::NotImplemented);
    CHECK_THROWS_WITH(parse("x-c: &c {image: x}\nservices:\n  a:\n    <<: *c\n"),
                      ContainsSubstring("not implemented") && ContainsSubstring(":4:5"));
}

TEST_CASE("parse_project: networks, ports and names", "[07][compose][load]") {
    const Project project = parse(R"(
services:
  web:
    image: x
    ports: ["8080:80", 9000, {target: 53, published: 5353, host_ip: 127.0.0.1, protocol: udp}]
    expose: [81]
    extra_hosts: {db: 10.1.1.1}
    dns: 9.9.9.9
    networks: {front: , back: {aliases: [www], ipv4_address: 10.7.0.9}}
  db: {image: x}
networks:
  front: {name: shop-front, driver_opts: {com.docker.network.driver.mtu: 1400}}
  back: {internal: true, ipam: {config: [{subnet: 10.7.0.0/24}]}}
  unused:
)");
    const auto& web = project.service("web");
    CHECK(web.container.net.publish ==
          std::vector<std::string>{"8080:80", "9000", "127.0.0.1:5353:53/udp"});
    CHECK(web.container.net.extra_hosts == std::vector<std::string>{"db:10.1.1.1"});
    CHECK(web.container.net.dns == std::vector<std::string>{"9.9.9.9"});
    CHECK(web.networks.at("back").ipv4 == "10.7.0.9");
    CHECK(project.service("db").networks.contains("default"));
    CHECK(project.networks.at("front").name == "shop-front");
    CHECK(project.networks.at("back").internal);
    CHECK(project.networks.at("back").pools.front().subnet == "10.7.0.0/24");
    CHECK(project.networks.contains("default"));
    CHECK_FALSE(project.networks.contains("unused"));
    CHECK_THAT(wrong("networks: [nowhere]"), ContainsSubstring("no such network"));
    CHECK_THAT(wrong("ports: [\"x\"]"), ContainsSubstring("is no port"));
    CHECK_THAT(wrong("ports: [{published: 80}]"), ContainsSubstring("has no target"));
}

TEST_CASE("parse_project: volumes, in both forms, and of the project", "[07][compose][load]") {
    const Project project = parse(R"(services:
  a:
    image: x
    volumes:
      - data:/data:ro
      - ./src:/src
      - /anonymous
      - {type: tmpfs, target: /t, tmpfs: {size: 1m}}
      - {type: volume, source: data, target: /again, volume: {nocopy: true}}
volumes:
  data: {labels: {a: b}}
  other: {external: true, name: theirs}
)");
    const auto& volumes = project.service("a").volumes;
    REQUIRE(volumes.size() == 5);
    CHECK(volumes[0].type == "volume");
    CHECK(volumes[0].mode == "ro");
    CHECK(volumes[1].type == "bind");
    CHECK(volumes[1].source == "/srv/My Shop/src");
    CHECK(volumes[2].source.empty());
    CHECK(volumes[3].mode == "size=1048576");
    CHECK(volumes[4].mode == "nocopy");
    REQUIRE(project.volumes.size() == 2);
    CHECK(project.volumes[1].external);
    CHECK_THROWS_WITH(parse("services: {a: {image: x, volumes: [\"none:/x\"]}}\n"),
                      ContainsSubstring("\"none\""));
    CHECK_THAT(wrong("volumes: [{type: magic, target: /x}]"), ContainsSubstring(":4:"));
}

TEST_CASE("parse_project: restart, health checks and what services wait for",
          "[07][compose][load]") {
    const Project project = parse(R"(services:
  a:
    image: x
    restart: on-failure:3
    stop_grace_period: 1m30s
    healthcheck: {test: [CMD, "true"], interval: 5s, timeout: 500ms, retries: 4}
    depends_on: {b: {condition: service_healthy, required: false}}
  b: {image: x, healthcheck: {test: curl x}}
  c: {image: x, healthcheck: {disable: true}, restart: no}
)");
    const Service& a = project.service("a");
    CHECK(a.container.restart.policy == "on-failure");
    CHECK(a.container.restart.retries == 3);
    CHECK(a.container.stop_timeout == 90);
    REQUIRE(a.container.health);
    CHECK(a.container.health->test == std::vector<std::string>{"CMD", "true"});
    CHECK(a.container.health->timeout == 500'000'000);
    CHECK(a.dependencies.at("b").condition == "service_healthy");
    CHECK_FALSE(a.dependencies.at("b").required);
    CHECK(project.service("b").container.health->test ==
          std::vector<std::string>{"CMD-SHELL", "curl x"});
    CHECK(project.service("c").container.health->test == std::vector<std::string>{"NONE"});
    CHECK_THAT(wrong("restart: sometimes"), ContainsSubstring(":4:"));
    CHECK_THAT(wrong("healthcheck: {interval: soon}"), ContainsSubstring(":4:"));
    CHECK_THAT(wrong("healthcheck: {test: [SHOUT, x]}"), ContainsSubstring(":4:"));
    CHECK_THAT(wrong("depends_on: {a: {condition: service_sings}}"), ContainsSubstring(":4:"));
}

TEST_CASE("parse_project: wrong types and values are told with their place",
          "[07][compose][load]") {
    CHECK_THAT(wrong("command: {a: b}"),
               ContainsSubstring(":4:14: services.a.command: expected a list"));
    CHECK_THAT(wrong("environment: text"),
               ContainsSubstring(":4:18: services.a.environment: expected a list"));
    CHECK_THAT(wrong("user: [1]"), ContainsSubstring("expected a single value, got a list"));
    CHECK_THAT(wrong("mem_limit: lots"),
               ContainsSubstring(":4:16: services.a.mem_limit: \"lots\" is no size"));
    CHECK_THAT(wrong("cpus: half"), ContainsSubstring("\"half\" is no number of CPUs"));
    CHECK_THAT(wrong("read_only: maybe"), ContainsSubstring("expected true or false"));
    CHECK_THAT(wrong("scale: -1"), ContainsSubstring("expected a number"));
    CHECK_THAT(wrong("command: sh -c \"x"), ContainsSubstring("a quote is not closed"));
    CHECK_THAT(wrong("image: twice"), ContainsSubstring("\"image\" is there twice"));
    CHECK_THAT(wrong("command: ${N:?set N}"),
               ContainsSubstring(":4:14: the variable N is not set: set N"));
    CHECK_THAT(
        wrong("depends_on: [b]"),
        ContainsSubstring(":4:17: services.a depends on \"b\", and there is no such service"));
    CHECK_THROWS_WITH(parse("services:\n  a: {user: x}\n"),
                      ContainsSubstring("neither image nor build"));
    CHECK_THROWS_WITH(parse("services:\n  \"a b\": {image: x}\n"),
                      ContainsSubstring("no name for a service"));
    CHECK_THROWS_WITH(parse("services: [a]\n"), ContainsSubstring("no services"));
    CHECK_THROWS_WITH(parse(""), ContainsSubstring("compose.yaml"));
    CHECK_THROWS_WITH(parse("name: Shop\nservices: {a: {image: x}}\n"),
                      ContainsSubstring(":1:7:") && ContainsSubstring("no name for a project"));
}

TEST_CASE("parse_project: a tab is told with its place", "[07][compose][load]") {
    CHECK_THROWS_WITH(parse("services:\n  a:\n\timage: x\n"),
                      ContainsSubstring("compose.yaml:3:1: a tab") && ContainsSubstring("spaces"));
    CHECK_THROWS_WITH(parse("services:\n  a: [unclosed\n"), ContainsSubstring("not YAML"));
}

TEST_CASE("parse_project: a circle is told with every name in it", "[07][compose][load]") {
    CHECK_THROWS_WITH(
        parse(R"(services:
  a: {image: x, depends_on: [b]}
  b: {image: x, depends_on: [c]}
  c: {image: x, depends_on: [a]}
)"),
        ContainsSubstring("compose.yaml:2:29: ") && ContainsSubstring("a → b → c → a"));
}

TEST_CASE("parse_project: a variable that is not set is a warning with its place",
          "[07][compose][load]") {
    const Project project = parse("services:\n  a: {image: \"x${NOT_SET}\"}\n");
    REQUIRE(project.warnings.size() == 1);
    CHECK_THAT(project.warnings.front(),
               ContainsSubstring(":2:14: the variable NOT_SET is not set"));
}

TEST_CASE("find_compose_file: the first of the four names, here or above", "[07][compose][load]") {
    const drydock::TempDir directory("drydock-test");
    std::filesystem::create_directories(directory.path() / "a/b");
    std::ofstream(directory.path() / "docker-compose.yml") << "x";
    CHECK(find_compose_file(directory.path() / "a/b") == directory.path() / "docker-compose.yml");
    std::ofstream(directory.path() / "compose.yaml") << "x";
    CHECK(find_compose_file(directory.path() / "a/b") == directory.path() / "compose.yaml");
    CHECK_THROWS_WITH(find_compose_file("/proc"), ContainsSubstring("-f"));
}

TEST_CASE("config_hash: the same for the same service, another for any change",
          "[07][compose][naming]") {
    const auto hash = [](const std::string& line) {
        const Project project = parse("services:\n  a:\n    image: x\n    " + line + "\n");
        return config_hash(project, project.services.front());
    };
    CHECK(hash("user: a") == hash("user: a"));
    CHECK(hash("user: a").size() == 64);
    for (const char* line : {"user: b", "command: x", "environment: {A: 1}", "mem_limit: 1m",
                             "container_name: n", "labels: {a: b}"}) {
        CHECK(hash(line) != hash("user: a"));
    }
    CHECK(hash("scale: 3") == hash("scale: 1"));
}

TEST_CASE("container_spec: name and labels by which it is found again", "[07][compose][naming]") {
    const Project project = parse("services:\n  a: {image: x}\n  b: {build: ., depends_on: [a]}\n");
    const auto spec = container_spec(project, project.service("b"), 2, "sha256:77");
    CHECK(spec.name == "myshop-b-2");
    CHECK(spec.image == "myshop-b");
    const auto label = [&](const std::string& key) {
        return spec.labels.at("com.docker.compose." + key);
    };
    CHECK(label("project") == "myshop");
    CHECK(label("service") == "b");
    CHECK(label("container-number") == "2");
    CHECK(label("oneoff") == "False");
    CHECK(label("depends_on") == "a:service_started:false");
    CHECK(label("project.config_files") == "/srv/My Shop/compose.yaml");
    CHECK(label("project.working_dir") == "/srv/My Shop");
    CHECK(label("image") == "sha256:77");
    CHECK(label("config-hash") == config_hash(project, project.service("b")));
    CHECK(normalised_project_name("_My.Shop-1") == "myshop-1");
}

TEST_CASE("parse_project: what a service may do and use", "[07][compose][load]") {
    const Project project = parse(R"(services:
  a:
    image: x
    privileged: true
    cap_add: [NET_ADMIN]
    cap_drop: [ALL]
    devices: ["/dev/fuse:/dev/fuse:r"]
    device_cgroup_rules: ["c 1:3 r"]
    security_opt: [no-new-privileges]
    group_add: [audio, 7]
    sysctls: {net.core.somaxconn: 1024}
    ulimits: {nproc: 65535, nofile: {soft: 20000, hard: 40000}}
    pid: host
    ipc: shareable
    uts: host
    cgroup: private
    shm_size: 128m
    mem_reservation: 64m
    memswap_limit: -1
    mem_swappiness: 10
    oom_score_adj: -100
    oom_kill_disable: false
    cpu_shares: 512
    cpuset: "0"
    logging: {driver: json-file, options: {max-size: 1m}}
    blkio_config: {weight: 300, device_read_bps: [{path: /dev/sda, rate: 1mb}]}
)");
    const auto& isolation = project.service("a").container.isolation;
    CHECK(isolation.privileged);
    CHECK(isolation.cap_add == std::vector<std::string>{"NET_ADMIN"});
    CHECK(isolation.cap_drop == std::vector<std::string>{"ALL"});
    CHECK(isolation.devices.at(0) == "/dev/fuse:/dev/fuse:r");
    CHECK(isolation.device_rules.at(0) == "c 1:3 r");
    CHECK(isolation.security.at(0) == "no-new-privileges");
    CHECK(isolation.groups == std::vector<std::string>{"audio", "7"});
    CHECK(isolation.sysctls.at("net.core.somaxconn") == "1024");
    CHECK(isolation.ulimits == std::vector<std::string>{"nproc=65535", "nofile=20000:40000"});
    CHECK(isolation.pid == "host");
    CHECK(isolation.ipc == "shareable");
    CHECK(isolation.uts == "host");
    CHECK(isolation.shm_bytes == 128 << 20);
    CHECK(isolation.memory_reservation == 64 << 20);
    CHECK(isolation.memory_swap == -1);
    CHECK(isolation.swappiness == 10);
    CHECK(isolation.oom_score_adj == -100);
    CHECK(isolation.cpu_shares == 512);
    CHECK(isolation.cpuset_cpus == "0");
    CHECK(isolation.log_options.at("max-size") == "1m");
    CHECK(isolation.io_weight == 300);
    CHECK(isolation.io_read_bytes.at(0) == "/dev/sda:1mb");
    CHECK_THAT(wrong("oom_score_adj: high"), ContainsSubstring("expected a whole number"));
    CHECK_THAT(wrong("ulimits: {nofile: {soft: 1}}"), ContainsSubstring("expected soft and hard"));
}

TEST_CASE("parse_project: a service can share the namespaces of another, which is made first",
          "[07][compose][load]") {
    const Project project = parse(R"(services:
  a: {image: x, network_mode: "service:b", pid: "service:c", ipc: "service:b"}
  b: {image: x}
  c: {image: x}
)");
    CHECK(joined_services(project.service("a")) == std::vector<std::string>{"b", "c", "b"});
    CHECK(start_order(project.services) == std::vector<std::string>{"b", "c", "a"});
    const auto spec = container_spec(project, project.service("a"), 1, "");
    CHECK(spec.network == "container:myshop-b-1");
    CHECK(spec.isolation.pid == "container:myshop-c-1");
    CHECK_THAT(wrong("pid: \"service:nobody\""), ContainsSubstring("there is no such service"));
}

TEST_CASE("parse_project: variables of files stand under those of the service",
          "[07][compose][load]") {
    const drydock::TempDir directory("drydock-env-");
    std::ofstream(directory.path() / "one.env") << "A=1\nB=1\n";
    std::ofstream(directory.path() / "two.env") << "B=2\nC=2\n";
    const std::string text = R"(services:
  a: {image: x, env_file: [one.env, {path: two.env}, {path: none.env, required: false}], environment: {C: "3"}}
)";
    const Project project = parse_project(text, directory.path() / "compose.yaml", "", variable);
    CHECK(project.service("a").container.env == std::vector<std::string>{"A=1", "B=2", "C=3"});
    CHECK_THROWS(parse_project("services:\n  a: {image: x, env_file: none.env}\n",
                               directory.path() / "compose.yaml", "", variable));
}
