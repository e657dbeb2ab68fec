#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "testing/catch.hpp"

#include "cli/own_daemon.hpp"

namespace fs = std::filesystem;
using drydock::testing::ContainsSubstring;
using drydock::testing::Outcome;
using drydock::testing::OwnDaemon;

namespace {

/// A project `shop` in a folder of its own, on a daemon of its own.
struct Shop {
    OwnDaemon daemon{};

    explicit Shop(const std::string& file) {
        fs::create_directories(daemon.directory() / "shop");
        write(file);
    }
    void write(const std::string& file) const { std::ofstream(path()) << file; }
    [[nodiscard]] fs::path path() const { return daemon.directory() / "shop/compose.yaml"; }
    [[nodiscard]] Outcome compose(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), {"compose", "-f", path().native()});
        return daemon.run(arguments);
    }
    [[nodiscard]] std::string field(const std::string& container, const std::string& name) const {
        return daemon.run({"inspect", "-f", "{{." + name + "}}", container}).out;
    }
};

constexpr const char* kThree = R"(services:
  c: {image: drydock/base, command: sleep 100, init: false, depends_on: [b]}
  b: {image: drydock/base, command: sleep 100, depends_on: [a]}
  a:
    image: drydock/base
    command: ["sh", "-c", "trap 'exit 0' TERM; echo I am a; while :; do sleep 0.05; done"]
    deploy: {resources: {limits: {cpus: "0.50", memory: 256M}}}
)";

/// The names in the order in which `text` has them behind `what`: " Container shop-a-1  Started".
std::vector<std::string> names_with(const std::string& text, const std::string& what) {
    std::vector<std::string> names;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(" Container ") && line.ends_with("  " + what)) {
            names.push_back(line.substr(11, line.find("  ", 11) - 11));
        }
    }
    return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("compose: up in order, a second up does nothing, down in reverse leaves nothing",
          "[07][compose][kernel]") {
    const Shop shop(kThree);
    const Outcome up = shop.compose({"up", "-d"});
    INFO(up.err);
    REQUIRE(up.status == 0);
    CHECK(names_with(up.err, "Started") == Names{"shop-a-1", "shop-b-1", "shop-c-1"});
    const std::string id = shop.field("shop-a-1", "Id");
    CHECK(shop.field("shop-a-1", "HostConfig.Memory") == "268435456\n");
    CHECK(shop.field("shop-a-1", "HostConfig.NanoCpus") == "500000000\n");

    const Outcome again = shop.compose({"up", "-d"});
    CHECK(names_with(again.err, "Running") == Names{"shop-a-1", "shop-b-1", "shop-c-1"});
    CHECK(names_with(again.err, "Created").empty());
    CHECK(shop.field("shop-a-1", "Id") == id);

    CHECK_THAT(shop.compose({"ps"}).out, ContainsSubstring("shop-c-1   drydock/base"));
    CHECK(shop.compose({"logs", "a"}).out == "a-1  | I am a\n");

    CHECK_THAT(shop.daemon.run({"compose", "-p", "shop", "ps"}).out, ContainsSubstring("shop-b-1"));
    const Outcome down = shop.compose({"down", "-t", "1"});
    CHECK(names_with(down.err, "Removed") == Names{"shop-c-1", "shop-b-1", "shop-a-1"});
    CHECK(shop.daemon.run({"ps", "-aq"}).out.empty());
}

TEST_CASE("compose: services find each other by name, and the network comes and goes with them",
          "[07][compose][kernel]") {
    const Shop shop(R"(services:
  store: {image: drydock/base, command: "httpd -f -p 80 -h /etc", hostname: shelf}
  front: {image: drydock/base, command: "sleep 100", networks: {default: , back: {aliases: [desk]}}}
  outsider: {image: drydock/base, command: "sleep 100", networks: [back]}
networks:
  back: {internal: true}
)");
    const Outcome up = shop.compose({"up", "-d"});
    INFO(up.err);
    REQUIRE(up.status == 0);
    CHECK_THAT(up.err, ContainsSubstring(" Network shop_default  Created"));
    // (Not wget: that of Debian's static busybox crashes when it looks up a name.)
    const auto ask = [&](const std::string& from) {
        return shop.daemon
            .run({"exec", from, "sh", "-c",
                  "printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' | nc -w 5 store 80"})
            .out;
    };
    CHECK_THAT(ask("shop-front-1"), ContainsSubstring("shelf\n"));
    CHECK(ask("shop-outsider-1").empty());
    CHECK(shop.daemon.run({"exec", "shop-outsider-1", "ping", "-c", "1", "desk"}).status == 0);
    CHECK_THAT(shop.daemon.run({"network", "ls"}).out, ContainsSubstring("shop_back"));
    CHECK_THAT(shop.compose({"config"}).out, ContainsSubstring("name: shop_default"));
    const Outcome down = shop.compose({"down", "-t", "0"});
    CHECK_THAT(down.err, ContainsSubstring(" Network shop_default  Removed"));
    CHECK_THAT(shop.daemon.run({"network", "ls"}).out, !ContainsSubstring("shop_"));
}

TEST_CASE("compose: up makes a changed service anew and leaves the others",
          "[07][compose][kernel]") {
    const auto file = [](const std::string& value_of_b) {
        const std::string command =
            R"(command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"])";
        return "services:\n  a: {image: drydock/base, " + command +
               "}\n  b: {image: drydock/base, " + command + ", environment: {V: " + value_of_b +
               "}}\n";
    };
    const Shop shop(file("1"));
    REQUIRE(shop.compose({"up", "-d"}).status == 0);
    const std::string a = shop.field("shop-a-1", "Id");
    const std::string b = shop.field("shop-b-1", "Id");
    shop.write(file("2"));
    const Outcome up = shop.compose({"up", "-d"});
    CHECK(up.status == 0);
    CHECK(shop.field("shop-a-1", "Id") == a);
    CHECK(shop.field("shop-b-1", "Id") != b);
    CHECK(shop.compose({"down", "-t", "0"}).status == 0);
}

TEST_CASE("compose: when one service does not start, what up had made is removed",
          "[07][compose][kernel]") {
    const Shop shop(
        "services:\n  a: {image: drydock/base, command: sleep 100}\n  b: {image: drydock/base, "
        "command: no-such-command, depends_on: [a]}\n");
    const Outcome up = shop.compose({"up", "-d"});
    CHECK(up.status == 1);
    CHECK_THAT(up.err, ContainsSubstring("shop-b-1") && ContainsSubstring("no-such-command"));
    CHECK(shop.daemon.run({"ps", "-aq"}).out.empty());
    CHECK_THAT(shop.daemon.run({"network", "ls"}).out, !ContainsSubstring("shop_"));
}

TEST_CASE("compose up in the foreground: prints with prefixes and ends with the last service",
          "[07][compose][kernel]") {
    const Shop shop(
        "services:\n  a: {image: drydock/base, command: echo one}\n  bb: {image: drydock/base, "
        "command: sh -c 'echo two >&2', depends_on: [a]}\n");
    const Outcome up = shop.compose({"up"});
    CHECK(up.status == 0);
    CHECK(up.out == "a-1   | one\n");
    CHECK_THAT(up.err, ContainsSubstring("bb-1  | two\n"));
    CHECK(shop.compose({"down"}).status == 0);
}

TEST_CASE("compose: a bad file is one line, and no daemon is started for it",
          "[07][compose][kernel]") {
    const Shop shop("services:\n  a: {image: x, depends_on: [a]}\n");
    const Outcome cycle = shop.compose({"up"});
    CHECK(cycle.status == 125);
    CHECK_THAT(cycle.err, ContainsSubstring("compose.yaml:2:29: ") && ContainsSubstring("a → a"));
    CHECK(std::ranges::count(cycle.err, '\n') == 1);
    shop.write("services:\n\ta: {image: x}\n");
    CHECK_THAT(shop.compose({"up"}).err, ContainsSubstring("compose.yaml:2:1: a tab"));
    CHECK_FALSE(fs::exists(shop.daemon.directory() / "run"));
}

TEST_CASE("compose: volumes outlive down, and go with down -v", "[07][compose][kernel]") {
    const Shop shop(R"(services:
  a: {image: drydock/base, command: sh -c 'cat /data/x; echo seen > /data/x', volumes: ["data:/data"]}
volumes:
  data: {labels: {mine: yes}}
)");
    CHECK(shop.compose({"up"}).status == 0);
    CHECK(shop.compose({"down"}).status == 0);
    CHECK(shop.daemon.run({"volume", "ls", "-q"}).out == "shop_data\n");
    CHECK_THAT(shop.compose({"up"}).out, ContainsSubstring("seen"));
    CHECK(shop.daemon.run({"volume", "inspect", "-f", "{{.Labels.mine}}", "shop_data"}).out ==
          "yes\n");
    CHECK(shop.compose({"down", "-v"}).status == 0);
    CHECK(shop.daemon.run({"volume", "ls", "-q"}).out.empty());
}

TEST_CASE("compose: a service waits until what it depends on is healthy, or has done its work",
          "[07][compose][kernel]") {
    const Shop shop(R"(services:
  last:
    image: drydock/base
    command: cat /d/healthy /d/done
    volumes: ["d:/d"]
    depends_on: {db: {condition: service_healthy}, job: {condition: service_completed_successfully}}
  job: {image: drydock/base, command: sh -c 'sleep 0.3; echo done > /d/done', volumes: ["d:/d"]}
  db:
    image: drydock/base
    command: sh -c 'sleep 0.3; echo healthy > /d/healthy; sleep 100'
    volumes: ["d:/d"]
    healthcheck: {test: test -e /d/healthy, interval: 100ms}
volumes: {d: }
)");
    const Outcome up = shop.compose({"up", "-d"});
    INFO(up.err);
    REQUIRE(up.status == 0);
    const auto logs = [&] { return shop.compose({"logs", "--no-log-prefix", "last"}).out; };
    for (int i = 0; i < 100 && logs().empty(); ++i) {
        ::usleep(50'000);
    }
    CHECK(logs() == "healthy\ndone\n");
    CHECK(shop.compose({"exec", "-T", "db", "cat", "/d/done"}).out == "done\n");
    CHECK(shop.compose({"exec", "-T", "-e", "A=b", "db", "sh", "-c", "echo $A; exit 4"}).status ==
          4);
    CHECK(shop.compose({"exec", "-T", "nobody", "true"}).status != 0);
    CHECK(shop.compose({"pause", "db"}).status == 0);
    CHECK_THAT(shop.compose({"ps"}).out, ContainsSubstring("(Paused)"));
    CHECK(shop.compose({"unpause", "db"}).status == 0);
    CHECK(shop.compose({"down", "-v", "-t", "0"}).status == 0);
}

TEST_CASE("compose: up fails when what a service waits for fails", "[07][compose][kernel]") {
    const auto file = [](const std::string& db) {
        return "services:\n  a: {image: drydock/base, command: sleep 100, depends_on: {db: "
               "{condition: service_healthy}}}\n  db: {image: drydock/base, " +
               db + "}\n";
    };
    const Shop shop(file("command: sleep 100"));
    CHECK_THAT(shop.compose({"up", "-d"}).err, ContainsSubstring("has no healthcheck configured"));
    shop.write(file("command: 'false', healthcheck: {test: 'true'}"));
    CHECK_THAT(shop.compose({"up", "-d"}).err,
               ContainsSubstring("dependency failed to start") && ContainsSubstring("exited (1)"));
    shop.write(
        file("command: sleep 100, healthcheck: {test: 'false', interval: 50ms, retries: 1}"));
    CHECK_THAT(shop.compose({"up", "-d"}).err, ContainsSubstring("is unhealthy"));
    CHECK(shop.daemon.run({"ps", "-aq"}).out.empty());
}

TEST_CASE("compose: a service shares another's network and processes, also after a change",
          "[07][compose][kernel]") {
    const std::string joiner =
        "  a: {image: drydock/base, command: sleep 500, init: false, network_mode: 'service:b', "
        "pid: "
        "'service:b'}\n";
    const Shop shop("services:\n" + joiner + "  b: {image: drydock/base, command: sleep 600}\n");
    REQUIRE(shop.compose({"up", "-d"}).status == 0);
    const auto seen = [&](const char* container, const char* what) {
        return shop.daemon.run({"exec", container, "sh", "-c", what}).out;
    };
    const char* network = "readlink /proc/self/ns/net";
    CHECK(seen("shop-a-1", network) == seen("shop-b-1", network));
    CHECK_THAT(seen("shop-a-1", "ps -o args"), ContainsSubstring("sleep 600"));
    shop.write("services:\n" + joiner + "  b: {image: drydock/base, command: sleep 700}\n");
    const Outcome again = shop.compose({"up", "-d"});
    INFO(again.err);
    REQUIRE(again.status == 0);
    CHECK(seen("shop-a-1", network) == seen("shop-b-1", network));
    CHECK_THAT(seen("shop-a-1", "ps -o args"), ContainsSubstring("sleep 700"));
    CHECK(shop.compose({"down", "-t", "0"}).status == 0);
}

TEST_CASE("compose: what stands in an anonymous volume is there after a change of its service",
          "[07][compose][kernel]") {
    const auto file = [](const char* label) {
        return std::string(
                   "services:\n  a: {image: drydock/base, command: sleep 500, volumes: "
                   "[/kept], labels: {x: ") +
               label + "}}\n";
    };
    const Shop shop(file("one"));
    REQUIRE(shop.compose({"up", "-d"}).status == 0);
    shop.daemon.run({"exec", "shop-a-1", "sh", "-c", "echo still here > /kept/word"});
    for (const char* label : {"two", "three"}) {
        shop.write(file(label));
        const Outcome again = shop.compose({"up", "-d"});
        INFO(again.err);
        REQUIRE(again.status == 0);
        CHECK(shop.field("shop-a-1", "Config.Labels.x") == std::string(label) + "\n");
        CHECK(shop.daemon.run({"exec", "shop-a-1", "cat", "/kept/word"}).out == "still here\n");
    }
    CHECK(shop.compose({"down", "-v", "-t", "0"}).status == 0);
    CHECK(shop.daemon.run({"volume", "ls", "-q"}).out.empty());
}
