#include "07-compose/cli/host.hpp"

#include <cstdlib>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using namespace drydock::cli;
using drydock::testing::ContainsSubstring;

TEST_CASE("parse_host: sockets and addresses", "[07][cli][host]") {
    CHECK(parse_host("unix:///run/d.sock").path == "/run/d.sock");
    const Host tcp = parse_host("tcp://localhost:2375");
    CHECK(tcp.address == "127.0.0.1");
    CHECK(tcp.port == 2375);
    CHECK(parse_host("tcp://[::1]:80").address == "::1");
}

TEST_CASE("parse_host: what is wrong is told with what would be right", "[07][cli][host]") {
    for (const char* wrong :
         {"", "/run/d.sock", "unix://d.sock", "tcp://127.0.0.1", "tcp://127.0.0.1:0",
          "tcp://127.0.0.1:99999", "tcp://example.com:80", "carrier-pigeon://x"}) {
        CHECK_THROWS_WITH(parse_host(wrong), ContainsSubstring("unix:///PATH") &&
                                                 ContainsSubstring("tcp://ADDRESS:PORT"));
    }
    CHECK_THROWS_AS(parse_host("ssh://me@there"), drydock::NotImplemented);
}

TEST_CASE("chosen_host: the flag, then DRYDOCK_HOST, then DOCKER_HOST, then the default",
          "[07][cli][host]") {
    ::setenv("DOCKER_HOST", "unix:///docker", 1);
    ::setenv("DRYDOCK_HOST", "unix:///drydock", 1);
    ::setenv("DRYDOCK_RUN_ROOT", "/tmp/run-root", 1);
    CHECK(chosen_host("unix:///flag").path == "/flag");
    CHECK(chosen_host("").path == "/drydock");
    ::unsetenv("DRYDOCK_HOST");
    CHECK(chosen_host("").path == "/docker");
    CHECK_FALSE(chosen_host("").is_default);
    ::unsetenv("DOCKER_HOST");
    CHECK(chosen_host("").path == "/tmp/run-root/drydock.sock");
    CHECK(chosen_host("").is_default);
    ::unsetenv("DRYDOCK_RUN_ROOT");
}

TEST_CASE("connect_to: a path too long for the kernel is told", "[07][cli][host]") {
    CHECK_THROWS_WITH(connect_to({.path = "/" + std::string(200, 'x')}),
                      ContainsSubstring("at most 107"));
}
