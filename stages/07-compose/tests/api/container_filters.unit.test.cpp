#include "api/container_filters.hpp"

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

#include "api/registry_auth.hpp"

namespace {

using drydock::api::parse_container_filters;

bool passes(const drydock::Container& container, const char* filters) {
    return drydock::api::passes(
        container, parse_container_filters(filters),
        [](const std::string& name) { return name == "busybox" ? "sha256:1" : ""; });
}

TEST_CASE("ps filters: same key or, labels and, different keys and", "[07][filters]") {
    const drydock::Container web = {.id = "abc",
                                    .name = "proj-web-1",
                                    .config = {.image = "busybox:1",
                                               .image_id = "sha256:1",
                                               .labels = {{"a", "1"}, {"b", "2"}}},
                                    .state = {.status = drydock::Status::Exited, .exit_code = 7}};
    CHECK(passes(web, R"({"name":["other","web"]})"));
    CHECK(passes(web, R"({"name":["^/proj-web-1$"]})"));
    CHECK_FALSE(passes(web, R"({"name":["^web"]})"));
    CHECK(passes(web, R"({"label":["a=1","b"]})"));
    CHECK_FALSE(passes(web, R"({"label":["a=1","c"]})"));
    CHECK(passes(web, R"({"status":["running","exited"],"exited":["7"]})"));
    CHECK_FALSE(passes(web, R"({"status":["exited"],"exited":["0"]})"));
    CHECK(passes(web, R"({"id":["ab"],"ancestor":["busybox"]})"));
    CHECK_FALSE(passes(web, R"({"ancestor":["alpine"]})"));
}

TEST_CASE("ps filters: what cannot be a value is refused", "[07][filters]") {
    CHECK_THROWS_AS(parse_container_filters(R"({"status":["asleep"]})"), drydock::InputError);
    CHECK_THROWS_WITH(parse_container_filters(R"({"x":["y"]})"), "Invalid filter 'x'");
    CHECK_THROWS_AS(passes({}, R"({"name":["("]})"), drydock::InputError);
}

TEST_CASE("X-Registry-Auth: both alphabets, padded or not, nonsense is nobody", "[07][auth]") {
    using drydock::api::read_registry_auth;
    CHECK(read_registry_auth("eyJ1c2VybmFtZSI6ImFubiIsInBhc3N3b3JkIjoieD8-In0").user == "ann");
    CHECK(read_registry_auth("eyJ1c2VybmFtZSI6ImFubiIsInBhc3N3b3JkIjoieD8+In0=").password == "x?>");
    for (const char* header : {"", "e30=", "!!!", "eyJ1c2VybmFtZSI6", "W10="}) {
        CAPTURE(header);
        CHECK(read_registry_auth(header).user.empty());
    }
}

}  // namespace
