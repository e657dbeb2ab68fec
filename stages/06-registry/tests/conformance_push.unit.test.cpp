// What the OCI distribution-spec 1.1 requires of a registry, section "Push"; docs/conformance.md
// has the table.
#include <algorithm>
#include <regex>
#include <string>

#include "registry_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

namespace {

HttpHeaders chunk_at(const std::string& range) {
    return {{.name = "Content-Type", .value = "application/octet-stream"},
            {.name = "Content-Range", .value = range}};
}

nlohmann::json descriptor(const std::string& type, const std::string& digest, std::size_t size) {
    return {{"mediaType", type}, {"digest", digest}, {"size", size}};
}

/// A manifest of no layers whose config is there.
nlohmann::json small_manifest(RegistryFixture& registry, const std::string& name) {
    return {{"schemaVersion", 2},
            {"mediaType", kManifestType},
            {"config", descriptor(kConfigType, registry.push_blob(name, "{}").text(), 2)},
            {"layers", nlohmann::json::array()}};
}

}  // namespace

TEST_CASE("distribution-spec, POST then PUT: 202 with a Location that holds a UUID",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const HttpReply begun = registry.ask("POST", "/v2/a/blobs/uploads/");
    CHECK(begun.status == 202);
    const std::regex uuid(
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");  // RFC 9562
    CHECK(std::regex_search(registry.location(begun), uuid));
    CHECK(registry.start("a") != registry.start("a"));
}

TEST_CASE("distribution-spec, POST then PUT: 201 with a Location that can be pulled",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string bytes = "monolith";
    const Digest digest = digest_of(bytes);
    const HttpReply done =
        registry.ask("PUT", registry.start("a") + "?digest=" + digest.text(),
                     {{.name = "Content-Type", .value = "application/octet-stream"}}, bytes);
    CHECK(done.status == 201);
    CHECK(registry.ask("GET", registry.location(done)).body == bytes);
}

TEST_CASE("distribution-spec, Single POST: 201 with a Location that can be pulled",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string bytes = "at once";
    const HttpReply done =
        registry.ask("POST", "/v2/a/blobs/uploads/?digest=" + digest_of(bytes).text(),
                     {{.name = "Content-Type", .value = "application/octet-stream"}}, bytes);
    CHECK(done.status == 201);
    CHECK(registry.ask("GET", registry.location(done)).body == bytes);
}

TEST_CASE("distribution-spec, Single POST: a digest of something else publishes nothing",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const HttpReply reply =
        registry.ask("POST", "/v2/a/blobs/uploads/?digest=" + kAbsent, {}, "bytes");
    CHECK(reply.status == 400);
    CHECK(code(reply) == "DIGEST_INVALID");
    CHECK(registry.ask("GET", "/v2/a/blobs/" + kAbsent).status == 404);
    CHECK(registry.ask("GET", "/v2/a/blobs/" + digest_of("bytes").text()).status == 404);
}

TEST_CASE("distribution-spec, Pushing a blob in chunks: 202 with Location and Range for each",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    std::string at = registry.start("a");
    const std::vector<std::pair<std::string, std::string>> chunks = {
        {"0-3", "0123"}, {"4-4", "4"}, {"5-9", "56789"}};
    for (const auto& [range, bytes] : chunks) {
        const HttpReply reply = registry.ask("PATCH", at, chunk_at(range), bytes);
        INFO(range);
        CHECK(reply.status == 202);
        CHECK(header(reply, "Range") == "0-" + range.substr(2));
        at = registry.location(reply);
    }
    const HttpReply done = registry.ask("PUT", at + "?digest=" + digest_of("0123456789").text());
    CHECK(done.status == 201);
    CHECK(registry.ask("GET", registry.location(done)).body == "0123456789");
}

TEST_CASE("distribution-spec, Pushing a blob in chunks: the last one may come in the PUT",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    std::string at = registry.start("a");
    at = registry.location(registry.ask("PATCH", at, chunk_at("0-3"), "0123"));
    const HttpReply done =
        registry.ask("PUT", at + "?digest=" + digest_of("012345").text(), chunk_at("4-5"), "45");
    CHECK(done.status == 201);
    CHECK(registry.ask("GET", registry.location(done)).body == "012345");
}

TEST_CASE("distribution-spec, Pushing a blob in chunks: out of order is 416, also the last",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string at = registry.start("a");
    CHECK(registry.ask("PATCH", at, chunk_at("1-2"), "12").status == 416);  // not from 0
    CHECK(registry.ask("PATCH", at, chunk_at("0-3"), "0123").status == 202);
    CHECK(registry.ask("PATCH", at, chunk_at("0-3"), "0123").status == 416);  // twice
    CHECK(registry.ask("PATCH", at, chunk_at("6-7"), "67").status == 416);    // a gap
    for (const char* odd : {"4", "-5", "4-", "bytes 4-5/*", "4-5x", "5-4"}) {
        INFO(odd);
        CHECK(registry.ask("PATCH", at, chunk_at(odd), "45").status == 416);
    }
    const std::string finish = at + "?digest=" + digest_of("012345").text();
    CHECK(registry.ask("PUT", finish, chunk_at("6-7"), "67").status == 416);
    CHECK(registry.ask("PUT", finish, chunk_at("4-5"), "45").status == 201);
}

TEST_CASE("distribution-spec, Pushing a blob in chunks: the PUT has to name the digest",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string at = registry.start("a");
    registry.ask("PATCH", at, chunk_at("0-3"), "0123");
    CHECK(registry.ask("PUT", at).status == 400);
    CHECK(registry.ask("PUT", at + "?digest=" + digest_of("0123").text()).status == 201);
}

TEST_CASE("distribution-spec, Pushing a blob in chunks: GET says 204, where and how far",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string at = registry.start("a");
    registry.ask("PATCH", at, chunk_at("0-3"), "0123");
    CHECK(registry.ask("PATCH", at, chunk_at("9-9"), "9").status == 416);
    const HttpReply status = registry.ask("GET", at);
    CHECK(status.status == 204);
    CHECK(header(status, "Range") == "0-3");
    const HttpReply next = registry.ask("PATCH", registry.location(status), chunk_at("4-4"), "4");
    CHECK(next.status == 202);
    CHECK(registry.ask("GET", "/v2/a/blobs/uploads/none").status == 404);
}

TEST_CASE("distribution-spec, Mounting a blob: 201 with a Location that can be pulled, else 202",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const Digest digest = registry.push_blob("from/here", "shared");
    const std::string mount = "/v2/to/blobs/uploads/?mount=" + digest.text();
    const HttpReply done = registry.ask("POST", mount + "&from=from/here");
    CHECK(done.status == 201);
    CHECK(registry.ask("GET", registry.location(done)).body == "shared");
    const HttpReply anonymous =
        registry.ask("POST", "/v2/third/blobs/uploads/?mount=" + digest.text());
    CHECK(anonymous.status == 201);
    CHECK(registry.ask("GET", registry.location(anonymous)).body == "shared");
    for (const std::string& absent : {"?mount=" + kAbsent + "&from=from/here", "?mount=" + kAbsent,
                                      "?mount=" + digest.text() + "&from=nowhere"}) {
        const HttpReply begun = registry.ask("POST", "/v2/fourth/blobs/uploads/" + absent);
        INFO(absent);
        CHECK(begun.status == 202);
        CHECK(registry.ask("GET", registry.location(begun)).status == 204);
    }
}

TEST_CASE("distribution-spec, Pushing Manifests: 201, a Location that can be pulled, same bytes",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string text = small_manifest(registry, "a").dump(3) + "\n\n";
    const Digest digest = digest_of(text);
    for (const std::string& reference : {std::string("v1"), digest.text()}) {
        const HttpReply done = registry.put_manifest("a", reference, text);
        INFO(reference);
        CHECK(done.status == 201);
        CHECK(header(done, "Docker-Content-Digest") == digest.text());
        CHECK(registry.ask("GET", registry.location(done)).body == text);
    }
    CHECK(registry.put_manifest("a", "v2", text, std::string(kManifestType) + "; charset=utf-8")
              .status == 201);  // parameters are ignored
    CHECK(header(registry.ask("GET", "/v2/a/manifests/v2"), "Content-Type") == kManifestType);
}

TEST_CASE("distribution-spec, Pushing Manifests: 4 MB are taken, what is beyond the limit is 413",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string text = small_manifest(registry, "a").dump();
    CHECK(registry.put_manifest("a", "big", text + std::string(4'000'000 - text.size(), ' '))
              .status == 201);
    CHECK(registry.ask("GET", "/v2/a/manifests/big").body.size() == 4'000'000);
    CHECK(registry.put_manifest("a", "huge", text + std::string(5'000'000, ' ')).status == 413);
    CHECK(registry.ask("GET", "/v2/a/manifests/huge").status == 404);
}

TEST_CASE("distribution-spec, Push: a manifest of blobs that are not there says so",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    nlohmann::json manifest = small_manifest(registry, "a");
    manifest["layers"].push_back(descriptor("application/x", kAbsent, 1));
    const HttpReply reply = registry.put_manifest("a", "v1", manifest.dump());
    CHECK(reply.status == 404);
    CHECK(code(reply) == "MANIFEST_BLOB_UNKNOWN");
    CHECK_THAT(reply.body, ContainsSubstring(kAbsent));
}

TEST_CASE("distribution-spec, Push: a subject that is not there yet is no reason to refuse",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    nlohmann::json manifest = small_manifest(registry, "a");
    manifest["subject"] = descriptor(kManifestType, kAbsent, 1);
    const HttpReply reply = registry.put_manifest("a", "v1", manifest.dump());
    CHECK(reply.status == 201);
    // Pushing Manifests with Subject: the client learns that it need not keep a list
    CHECK(header(reply, "OCI-Subject") == kAbsent);
    manifest.erase("subject");
    CHECK(header(registry.put_manifest("a", "v2", manifest.dump()), "OCI-Subject").empty());
}

TEST_CASE("distribution-spec, Pushing Manifests: a repository that does not exist is 404",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    CHECK(registry.ask("GET", "/v2/none/manifests/latest").status == 404);
    CHECK(registry.ask("HEAD", "/v2/none/manifests/" + kAbsent).status == 404);
}
