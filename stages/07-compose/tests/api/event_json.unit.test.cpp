#include "api/event_json.hpp"

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::Event;
using drydock::api::parse_event_filters;
using drydock::api::passes;

const Event kStart{.type = "container",
                   .action = "exec_start: ls -l",
                   .id = "0123456789ab",
                   .attributes = {{"name", "web"}, {"image", "busybox:1"}, {"tier", "front"}}};

bool fits(const char* filters) {
    return passes(kStart, parse_event_filters(filters));
}

}  // namespace

TEST_CASE("events: filters of one key are ORed, labels and different keys ANDed", "[07][events]") {
    CHECK(fits(R"({"event":["die","exec_start"]})"));
    CHECK_FALSE(fits(R"({"event":["exec"]})"));
    CHECK(fits(R"({"container":{"web":true}})"));
    CHECK(fits(R"({"container":["0123"]})"));
    CHECK(fits(R"({"image":["busybox"]})"));
    CHECK_FALSE(fits(R"({"image":["busy"]})"));
    CHECK(fits(R"({"label":["tier=front","name=web"]})"));
    CHECK_FALSE(fits(R"({"label":["tier=front","tier=back"]})"));
    CHECK_FALSE(fits(R"({"container":["web"],"event":["die"]})"));
    CHECK_FALSE(fits(R"({"type":["volume"]})"));
    CHECK(fits(R"({"type":["volume","container"],"scope":["local"]})"));
    CHECK_FALSE(fits(R"({"volume":["web"]})"));
    CHECK_THROWS_AS(parse_event_filters(R"({"colour":["red"]})"), drydock::InputError);
}

TEST_CASE("events: containers and images carry the old names of the fields too", "[07][events]") {
    const auto json = drydock::api::event_json(kStart);
    CHECK(json["status"] == "exec_start: ls -l");
    CHECK(json["from"] == "busybox:1");
    CHECK_FALSE(
        drydock::api::event_json({.type = "volume", .action = "create"}).contains("status"));
}
