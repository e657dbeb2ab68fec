// What the OCI distribution-spec 1.1 requires of a registry, section "Pull"; docs/conformance.md
// has the table.
#include <algorithm>
#include <string>
#include <vector>

#include "registry_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

TEST_CASE("distribution-spec, Pulling manifests: by tag and by digest, 200 and the bytes",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string text = registry.push_image("a/b", "v1", "layer");
    const std::string digest = digest_of(text).text();
    for (const std::string& reference : {std::string("v1"), digest}) {
        const HttpReply reply = registry.ask("GET", "/v2/a/b/manifests/" + reference);
        INFO(reference);
        CHECK(reply.status == 200);
        CHECK(reply.body == text);
        CHECK(header(reply, "Docker-Content-Digest") == digest);
        CHECK(header(reply, "Content-Type") == kManifestType);  // without parameters
    }
}

TEST_CASE("distribution-spec, Pulling manifests: the longest tag is a tag",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string tag = "_" + std::string(127, 'Z');
    const std::string text = registry.push_image("a", tag, "layer");
    CHECK(registry.ask("GET", "/v2/a/manifests/" + tag).body == text);
    CHECK(registry.ask("GET", "/v2/a/manifests/" + tag + "Z").status == 404);
    CHECK(registry.put_manifest("a", tag + "Z", text).status == 400);
}

TEST_CASE("distribution-spec, Pulling manifests: names by the grammar, and no others",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    for (const char* name : {"a", "0", "a.b", "a_b", "a__b", "a---b", "a/b/c", "a.b/c__d/e-f"}) {
        INFO(name);
        CHECK(registry.ask("POST", fmt::format("/v2/{}/blobs/uploads/", name)).status == 202);
    }
    for (const char* name : {"A", "a..b", "a___b", "-a", "a-", "a/", "a//b", "a._b", "%C3%A4"}) {
        INFO(name);
        const HttpReply reply = registry.ask("POST", fmt::format("/v2/{}/blobs/uploads/", name));
        CHECK(reply.status == 400);
        CHECK(code(reply) == "NAME_INVALID");
    }
}

TEST_CASE("distribution-spec, Pulling manifests: what is not there is 404",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    registry.push_image("a", "v1", "layer");
    for (const std::string& path :
         {std::string("/v2/a/manifests/v2"), std::string("/v2/other/manifests/v1")}) {
        INFO(path);
        CHECK(registry.ask("GET", path).status == 404);
        CHECK(registry.ask("HEAD", path).status == 404);
    }
    CHECK(code(registry.ask("GET", "/v2/a/manifests/" + kAbsent)) == "MANIFEST_UNKNOWN");
}

TEST_CASE("distribution-spec, Pulling blobs: 200, the bytes, and a digest that is theirs",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string bytes("blob\0\r\n\xff", 8);
    const Digest digest = registry.push_blob("a", bytes);
    const HttpReply reply = registry.ask("GET", "/v2/a/blobs/" + digest.text());
    CHECK(reply.status == 200);
    CHECK(reply.body == bytes);
    CHECK(header(reply, "Docker-Content-Digest") == digest_of(reply.body).text());
}

TEST_CASE("distribution-spec, Pulling blobs: what is not in the repository is 404",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const Digest digest = registry.push_blob("a", "blob");
    for (const std::string& path : {"/v2/a/blobs/" + kAbsent, "/v2/b/blobs/" + digest.text()}) {
        INFO(path);
        CHECK(registry.ask("GET", path).status == 404);
        CHECK(registry.ask("HEAD", path).status == 404);
    }
    CHECK(code(registry.ask("GET", "/v2/a/blobs/" + kAbsent)) == "BLOB_UNKNOWN");
}

TEST_CASE("distribution-spec, Pulling blobs: Range by RFC 9110", "[06][registry][conformance]") {
    RegistryFixture registry;
    const Digest digest = registry.push_blob("a", "0123456789");
    const auto part = [&](const std::string& range) {
        return registry.ask("GET", "/v2/a/blobs/" + digest.text(),
                            {{.name = "Range", .value = range}});
    };
    const HttpReply middle = part("bytes=3-5");
    CHECK(middle.status == 206);
    CHECK(middle.body == "345");
    CHECK(header(middle, "Content-Range") == "bytes 3-5/10");
    CHECK(part("bytes=7-").body == "789");
    CHECK(part("bytes=-2").body == "89");
    CHECK(part("bytes=8-99").body == "89");
    const HttpReply beyond = part("bytes=10-");
    CHECK(beyond.status == 416);
    CHECK(header(beyond, "Content-Range") == "bytes */10");
    for (const char* odd : {"bytes=5-3", "bytes=a-b", "lines=1-2", "bytes="}) {
        INFO(odd);  // what is no range is ignored, 14.2
        CHECK(part(odd).status == 200);
    }
}

TEST_CASE("distribution-spec, Checking if content exists: HEAD is 200 with digest and size",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string text = registry.push_image("a", "v1", "layer");
    const Digest blob = registry.push_blob("a", "12345");
    const HttpReply of_blob = registry.ask("HEAD", "/v2/a/blobs/" + blob.text());
    CHECK(of_blob.status == 200);
    CHECK(header(of_blob, "Docker-Content-Digest") == blob.text());
    CHECK(header(of_blob, "Content-Length") == "5");
    for (const std::string& reference : {std::string("v1"), digest_of(text).text()}) {
        const HttpReply head = registry.ask("HEAD", "/v2/a/manifests/" + reference);
        CHECK(head.status == 200);
        CHECK(head.body.empty());
        CHECK(header(head, "Docker-Content-Digest") == digest_of(text).text());
        CHECK(header(head, "Content-Length") == std::to_string(text.size()));
    }
}

TEST_CASE("distribution-spec, Determining Support: GET /v2/ is 200",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    CHECK(registry.ask("GET", "/v2/").status == 200);
}

TEST_CASE("distribution-spec, Error Codes: every refusal in JSON has a code of the list",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string manifest = registry.push_image("a", "v1", "layer");
    const std::string upload = registry.start("a");
    const std::vector<std::string> known = {
        "BLOB_UNKNOWN",          "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID",    "MANIFEST_UNKNOWN",    "NAME_INVALID",
        "NAME_UNKNOWN",          "SIZE_INVALID",        "UNAUTHORIZED",        "DENIED",
        "UNSUPPORTED",           "TOOMANYREQUESTS"};
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {"GET", "/v2/a/blobs/" + kAbsent},
        {"GET", "/v2/a/blobs/x"},
        {"GET", "/v2/a/manifests/none"},
        {"GET", "/v2/none/tags/list"},
        {"GET", "/v2/A/tags/list"},
        {"GET", "/v2/a/tags/list?n=x"},
        {"POST", "/v2/"},
        {"GET", "/v2/a/elsewhere"},
        {"PUT", upload},
        {"PUT", "/v2/a/blobs/uploads/none"},
        {"PATCH", "/v2/a/blobs/uploads/x"},
        {"DELETE", "/v2/a/manifests/none"},
        {"DELETE", "/v2/a/blobs/" + kAbsent},
        {"PUT", "/v2/a/manifests/x"},
        {"GET", "/v2/a/referrers/x"},
        {"POST", "/v2/a/blobs/uploads/?digest=x"}};
    for (const auto& [method, path] : wrong) {
        const HttpReply reply = registry.ask(method, path);
        INFO(method << " " << path << " " << reply.status << " " << reply.body);
        CHECK(reply.status >= 400);
        CHECK(reply.status < 500);
        CHECK(header(reply, "Content-Type") == "application/json");
        CHECK(std::ranges::count(known, code(reply)) == 1);
    }
}

TEST_CASE("distribution-spec, Warnings: none is sent", "[06][registry][conformance]") {
    RegistryFixture registry;
    CHECK(header(registry.ask("GET", "/v2/"), "Warning").empty());
}
