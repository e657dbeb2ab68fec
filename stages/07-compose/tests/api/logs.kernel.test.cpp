// Logs that are rotated, and followed by somebody slow.
#include <algorithm>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "testing/catch.hpp"

#include "api/test_daemon.hpp"

using namespace drydock::testing;
using nlohmann::json;

TEST_CASE(
    "logs: a slow follower gets every line of a rotated log, also of a container that is gone",
    "[07][logs]") {
    const TestDaemon daemon;
    const json body = {
        {"HostConfig",
         {{"AutoRemove", true},
          {"LogConfig",
           {{"Type", "json-file"}, {"Config", {{"max-size", "400k"}, {"max-file", "20"}}}}}}}};
    const std::string id = daemon.create(
        "yes 0123456789012345678901234567890123456789 | head -n "
        "40000",
        body);
    HttpRequestUnderWay follow(daemon.socket(), "GET",
                               "/containers/" + id + "/logs?stdout=1&follow=1");
    CHECK(follow.head().status == 200);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    REQUIRE(soon([&] { return daemon.get("/containers/" + id + "/json").status == 404; }));
    const std::string text = TestDaemon::unframed(follow.finish().body);
    CHECK(std::ranges::count(text, '\n') == 40000);
    // Nobody reads it any more.
    CHECK(soon([&] { return std::filesystem::is_empty(daemon.data_root() / "trash"); }));
}
