// What the OCI distribution-spec 1.1 requires of a registry, section "Content Management";
// docs/conformance.md has the table.
#include <algorithm>
#include <string>

#include "registry_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

TEST_CASE("distribution-spec, Deleting tags: 202, then 404, and the manifest stays",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string text = registry.push_image("a", "v1", "layer");
    registry.push_image("a", "v2", "layer");
    CHECK(registry.ask("DELETE", "/v2/a/manifests/v1").status == 202);
    CHECK(registry.ask("GET", "/v2/a/manifests/v1").status == 404);
    CHECK(registry.ask("GET", "/v2/a/manifests/v2").status == 200);
    CHECK(registry.ask("GET", "/v2/a/manifests/" + digest_of(text).text()).status == 200);
    CHECK(registry.ask("DELETE", "/v2/a/manifests/v1").status == 404);
}

TEST_CASE("distribution-spec, Deleting Manifests: 202, then 404 by digest and by every tag",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string text = registry.push_image("a", "v1", "layer");
    const std::string path = "/v2/a/manifests/" + digest_of(text).text();
    registry.push_image("a", "v2", "layer");
    CHECK(registry.ask("DELETE", path).status == 202);
    CHECK(registry.ask("GET", path).status == 404);
    CHECK(registry.ask("GET", "/v2/a/manifests/v1").status == 404);
    CHECK(registry.ask("GET", "/v2/a/manifests/v2").status == 404);
    CHECK(registry.ask("DELETE", path).status == 404);
}

TEST_CASE("distribution-spec, Deleting Manifests: a repository that does not exist is 404",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    CHECK(registry.ask("DELETE", "/v2/none/manifests/v1").status == 404);
    CHECK(registry.ask("DELETE", "/v2/none/manifests/" + kAbsent).status == 404);
}

TEST_CASE("distribution-spec, Deleting Blobs: 202, then 404, and other repositories keep it",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const Digest digest = registry.push_blob("a", "blob");
    registry.push_blob("b", "blob");
    const std::string path = "/v2/a/blobs/" + digest.text();
    CHECK(registry.ask("DELETE", path).status == 202);
    CHECK(registry.ask("GET", path).status == 404);
    CHECK(registry.ask("DELETE", path).status == 404);
    CHECK(registry.ask("GET", "/v2/b/blobs/" + digest.text()).body == "blob");
}

TEST_CASE("distribution-spec, Content Management: where deletion is disabled it is 405",
          "[06][registry][conformance]") {
    const TempDir directory("drydock-test-");
    std::string manifest;
    {
        RegistryFixture writable({}, directory.path() / "root");
        manifest = digest_of(writable.push_image("a", "v1", "layer")).text();
    }
    Registry registry({.root = directory.path() / "root", .read_only = true});
    const RunningServer server([&](HttpExchange& exchange) { registry.handle(exchange); });
    HttpClient client;
    for (const std::string& path : {std::string("manifests/v1"), "manifests/" + manifest,
                                    "blobs/" + digest_of("layer").text()}) {
        const std::string url = "http://" + server.address() + "/v2/a/" + path;
        INFO(path);
        CHECK(client.call({.method = "DELETE", .url = url}).status == 405);
        CHECK(client.call({.url = url}).status == 200);
    }
}

TEST_CASE("distribution-spec, Content Management: a deleted manifest is no referrer",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const nlohmann::json manifest = {
        {"schemaVersion", 2},
        {"mediaType", kManifestType},
        {"config",
         {{"mediaType", kConfigType},
          {"digest", registry.push_blob("a", "{}").text()},
          {"size", 2}}},
        {"layers", nlohmann::json::array()},
        {"subject", {{"mediaType", kManifestType}, {"digest", kAbsent}, {"size", 1}}}};
    const std::string digest = digest_of(manifest.dump()).text();
    REQUIRE(registry.put_manifest("a", digest, manifest.dump()).status == 201);
    const auto listed = [&] {
        return nlohmann::json::parse(registry.ask("GET", "/v2/a/referrers/" + kAbsent).body)
            .at("manifests")
            .size();
    };
    CHECK(listed() == 1);
    CHECK(registry.ask("DELETE", "/v2/a/manifests/" + digest).status == 202);
    CHECK(listed() == 0);
}
