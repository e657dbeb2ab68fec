#include <fstream>
#include <string>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"
#include "06-registry/auth.hpp"

#include "testing/catch.hpp"

#include "registry_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

TEST_CASE("Registry: with an htpasswd file only who is in it comes in", "[06][registry][auth]") {
    const TempDir directory("drydock-test-");
    const fs::path file = directory.path() / "htpasswd";
    // htpasswd -nbBC 4 ann secret
    std::ofstream(file)
        << "# people\nann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
    RegistryFixture registry(file);
    const HttpReply refused = registry.ask("GET", "/v2/");
    CHECK(refused.status == 401);
    CHECK(code(refused) == "UNAUTHORIZED");
    CHECK(header(refused, "WWW-Authenticate") == "Basic realm=\"Drydock registry\"");
    const auto as = [&](const std::string& user, const std::string& password) {
        return registry
            .ask("GET", "/v2/",
                 {{.name = "Authorization",
                   .value = basic_authorization({.user = user, .password = password})}})
            .status;
    };
    CHECK(as("ann", "wrong") == 401);
    CHECK(as("bob", "secret") == 401);
    CHECK(as("", "") == 401);
    CHECK(as("ann", "secret") == 200);
    CHECK(as("ann", "secret") == 200);
    CHECK(as("ann", "secret2") == 401);
    CHECK(registry.ask("GET", "/v2/", {{.name = "Authorization", .value = "Basic !!!"}}).status ==
          401);
    CHECK(registry.ask("POST", "/v2/a/blobs/uploads/").status == 401);
}

TEST_CASE("HtpasswdFile: a line that is no bcrypt hash is named", "[06][auth]") {
    const TempDir directory("drydock-test-");
    const fs::path file = directory.path() / "htpasswd";
    std::ofstream(file) << "# empty\n\n";
    CHECK_THROWS_WITH(HtpasswdFile(file), ContainsSubstring("nobody is in it"));
    std::ofstream(file) << "\nann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
    CHECK_THROWS_WITH(HtpasswdFile(file),
                      ContainsSubstring("htpasswd:2: expected user:HASH with a bcrypt hash"));
    CHECK_THROWS_WITH(HtpasswdFile(directory.path() / "none"), ContainsSubstring("No such file"));
}

TEST_CASE("parse_challenge: schemes and values of WWW-Authenticate", "[06][auth]") {
    const auto bearer = parse_challenge(
        R"(Bearer realm="https://x/t?a=b,c",service="s \"q\"", scope="repository:a:pull")");
    REQUIRE(bearer.has_value());
    CHECK(bearer->scheme == "bearer");
    CHECK(bearer->values.at("realm") == "https://x/t?a=b,c");
    CHECK(bearer->values.at("service") == "s \"q\"");
    CHECK(bearer->values.at("scope") == "repository:a:pull");
    const auto two = parse_challenge("Basic realm=x, Bearer realm=y");
    REQUIRE(two.has_value());
    CHECK(two->values.at("realm") == "x");
    CHECK_FALSE(parse_challenge("").has_value());
    CHECK_FALSE(parse_challenge(std::string_view("bas\0ic realm=x", 14)).has_value());
    CHECK_FALSE(parse_challenge("bas(ic realm=x").has_value());
    CHECK_FALSE(parse_challenge("realm=\"x\"").has_value());
    for (const char* odd : {"Basic", "Basic =", "Basic realm", "Basic realm=", "Basic realm=\"",
                            "Basic realm=\"\\", "Basic ,,,"}) {
        INFO(odd);
        CHECK_NOTHROW(parse_challenge(odd));
    }
}

TEST_CASE("basic authorization: what is written is what is read", "[06][auth]") {
    for (const char* password : {"", "a", "ab", "abc", "pass:word", "\xc3\xa4\xff"}) {
        const auto read =
            parse_basic_authorization(basic_authorization({.user = "ann", .password = password}));
        REQUIRE(read.has_value());
        CHECK(read->user == "ann");
        CHECK(read->password == password);
    }
    CHECK(basic_authorization({.user = "Aladdin", .password = "open sesame"}) ==
          "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    CHECK_FALSE(parse_basic_authorization("Bearer x").has_value());
    CHECK_FALSE(parse_basic_authorization("Basic").has_value());
    CHECK_FALSE(parse_basic_authorization("Basic YQ==").has_value());
}
