#include "05-images/reference.hpp"

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using drydock::testing::ContainsSubstring;

namespace {

constexpr const char* kHex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct Row {
    std::string typed;
    std::string normalised;
    std::string familiar;
};

}  // namespace

TEST_CASE("parse_reference: names are normalised and shown as docker does", "[05][reference]") {
    const std::string at_digest = std::string("@sha256:") + kHex;
    const Row row = GENERATE_COPY(values<Row>({
        {"busybox", "docker.io/library/busybox:latest", "busybox:latest"},
        {"busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"},
        {"drydock/base", "docker.io/drydock/base:latest", "drydock/base:latest"},
        {"docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
        {"docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
        {"index.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"},
        {"127.0.0.1:5000/x:1", "127.0.0.1:5000/x:1", "127.0.0.1:5000/x:1"},
        {"127.0.0.1:5000/x", "127.0.0.1:5000/x:latest", "127.0.0.1:5000/x:latest"},
        {"localhost/x", "localhost/x:latest", "localhost/x:latest"},
        {"localhost:5000/a/b/c:v", "localhost:5000/a/b/c:v", "localhost:5000/a/b/c:v"},
        {"quay.io/a/b", "quay.io/a/b:latest", "quay.io/a/b:latest"},
        {"Registry/x", "Registry/x:latest", "Registry/x:latest"},
        {"a__b/c-_d", "", ""},
        {"a__b/c--d.e", "docker.io/a__b/c--d.e:latest", "a__b/c--d.e:latest"},
        {"x" + at_digest, "docker.io/library/x" + at_digest, "x" + at_digest},
        {"x:1" + at_digest, "docker.io/library/x:1" + at_digest, "x:1" + at_digest},
        {"docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"},
    }));
    INFO(row.typed);
    if (row.normalised.empty()) {
        CHECK_THROWS_AS(drydock::parse_reference(row.typed), drydock::InputError);
        return;
    }
    const drydock::Reference reference = drydock::parse_reference(row.typed);
    CHECK(to_string(reference) == row.normalised);
    CHECK(familiar(reference) == row.familiar);
    CHECK(drydock::parse_reference(to_string(reference)) == reference);
    CHECK(drydock::parse_reference(familiar(reference)) == reference);
}

TEST_CASE("parse_reference: what is no name is refused", "[05][reference]") {
    const std::string text = GENERATE_COPY(values<std::string>({
        "",
        ":",
        "a:",
        "a:-b",
        "a:" + std::string(129, 'b'),
        "A",
        "a/B",
        "a//b",
        "/a",
        "a/",
        "a..b",
        "a___b",
        "-a",
        "a b",
        "a@sha256:12",
        "a@md5:" + std::string(kHex),
        "a@",
        "../a",
        "a/../b",
        "host:port/a",
        "x.y:/a",
        "-x.y/a",
        ".x/a",
        kHex,
        std::string(kHex) + ":tag",
        "x.y/" + std::string(260, 'a'),
        "a\n",
        std::string("a\0b", 3),
        "a:b:c",
        "docker.io/",
    }));
    INFO(text);
    CHECK_THROWS_AS(drydock::parse_reference(text), drydock::InputError);
}

TEST_CASE("parse_reference: an error names the text and what would be right", "[05][reference]") {
    CHECK_THROWS_WITH(drydock::parse_reference("demo/Web"),
                      ContainsSubstring("\"demo/Web\": repository name must be lowercase"));
    CHECK_THROWS_WITH(drydock::parse_reference("web:a b"),
                      ContainsSubstring("\"a b\" is no tag; expected"));
}
