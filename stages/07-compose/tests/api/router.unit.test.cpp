#include "07-compose/api/router.hpp"

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::api::match;
using drydock::api::split_version;
using Names = std::vector<std::string>;

TEST_CASE("router: {} is one part of a path", "[07][router]") {
    CHECK(match("/containers/{}/json", "/containers/web/json") == Names{"web"});
    CHECK_FALSE(match("/containers/{}/json", "/containers/a/b/json"));
    CHECK_FALSE(match("/containers/{}/json", "/containers//json"));
    CHECK_FALSE(match("/containers/{}", "/containers/web/json"));
    CHECK(match("/info", "/info") == Names{});
    CHECK_FALSE(match("/info", "/info/"));
}

TEST_CASE("router: {*} takes slashes, ports and digests, as long as it can", "[07][router]") {
    CHECK(match("/images/{*}/push", "/images/127.0.0.1:5000/lib/bb/push") ==
          Names{"127.0.0.1:5000/lib/bb"});
    CHECK(match("/images/{*}/json", "/images/a/json/json") == Names{"a/json"});
    CHECK(match("/images/{*}", "/images/a@sha256:12") == Names{"a@sha256:12"});
    CHECK_FALSE(match("/images/{*}/json", "/images/json"));
}

TEST_CASE("router: a version in front is taken off", "[07][router]") {
    CHECK(split_version("/v1.32/info").path == "/info");
    CHECK(split_version("/v1.32/info").version == 32);
    CHECK(split_version("/info").version == drydock::api::kNewestVersion);
    CHECK(split_version("/volumes/v1.2").path == "/volumes/v1.2");
    CHECK(split_version("/v1.x/info").path == "/v1.x/info");
}

TEST_CASE("router: a version that is too new or too old is refused in docker's words",
          "[07][router]") {
    CHECK_THROWS_WITH(split_version("/v1.99/info"),
                      "client version 1.99 is too new. Maximum supported API version is 1.44");
    CHECK_THROWS_WITH(split_version("/v2.0/info"), drydock::testing::ContainsSubstring("too new"));
    CHECK_THROWS_WITH(split_version("/v1.5/info"), drydock::testing::ContainsSubstring("too old"));
}

}  // namespace
