#include "06-registry/registry.hpp"

#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

#include "testing/catch.hpp"

#include "registry_fixture.hpp"
#include "registry_route.hpp"

using namespace drydock;
using namespace drydock::testing;

TEST_CASE("is_repository_name: what the grammar allows, and no path that leads elsewhere",
          "[06][registry]") {
    for (const char* name : {"a", "library/busybox", "a.b/c_d/e__f/g---h", "0", "a/b/c/d/e"}) {
        INFO(name);
        CHECK(is_repository_name(name));
    }
    for (const std::string& name : std::vector<std::string>{
             "", "/", "a/", "/a", "a//b", "..", "a/../b", ".a", "a.", "_a", "a..b", "a___b", "a._b",
             "A", "a b", "a\nb", "a%2fb", "\xc3\xa4", "a/_manifests"}) {
        INFO(name);
        CHECK_FALSE(is_repository_name(name));
    }
    CHECK_FALSE(is_repository_name(std::string(256, 'a')));
    CHECK(is_tag("v1.0-rc_1"));
    CHECK(is_tag(std::string(128, 'a')));
    for (const std::string& tag : {std::string(), std::string("-a"), std::string(".a"),
                                   std::string("a/b"), std::string(129, 'a')}) {
        CHECK_FALSE(is_tag(tag));
    }
}

TEST_CASE("Registry: /v2/ says that it is one", "[06][registry]") {
    RegistryFixture registry;
    CHECK(registry.ask("GET", "/v2/").status == 200);
    CHECK(registry.ask("HEAD", "/v2/").status == 200);
    CHECK(registry.ask("GET", "/").status == 404);
    CHECK(registry.ask("POST", "/v2/").status == 405);
}

TEST_CASE("Registry: a blob pushed in one request can be had whole, by range, and its head alone",
          "[06][registry]") {
    RegistryFixture registry;
    const Digest digest = registry.push_blob("a/b", "0123456789");
    const std::string path = "/v2/a/b/blobs/" + digest.text();
    const HttpReply whole = registry.ask("GET", path);
    CHECK(whole.status == 200);
    CHECK(whole.body == "0123456789");
    CHECK(header(whole, "Docker-Content-Digest") == digest.text());
    const HttpReply head = registry.ask("HEAD", path);
    CHECK(head.status == 200);
    CHECK(header(head, "Content-Length") == "10");
    const HttpReply part = registry.ask("GET", path, {{.name = "Range", .value = "bytes=3-5"}});
    CHECK(part.status == 206);
    CHECK(part.body == "345");
    CHECK(registry.ask("GET", path, {{.name = "Range", .value = "bytes=10-"}}).status == 416);
}

TEST_CASE(
    "Registry: unknown blobs, digests that are none, and blobs of other repositories are refused",
    "[06][registry]") {
    RegistryFixture registry;
    const Digest digest = registry.push_blob("a", "secret");
    const HttpReply absent = registry.ask("GET", "/v2/a/blobs/" + kAbsent);
    CHECK(absent.status == 404);
    CHECK(code(absent) == "BLOB_UNKNOWN");
    CHECK(registry.ask("GET", "/v2/b/blobs/" + digest.text()).status == 404);
    for (const char* wrong : {"sha256:x", "md5:aa", "sha256:..%2f..%2fetc", "latest"}) {
        const HttpReply reply = registry.ask("GET", std::string("/v2/a/blobs/") + wrong);
        INFO(wrong);
        CHECK(reply.status >= 400);
    }
    CHECK(code(registry.ask("GET", "/v2/a/blobs/latest")) == "DIGEST_INVALID");
}

TEST_CASE("Registry: names that are no names are refused before they become paths",
          "[06][registry]") {
    RegistryFixture registry;
    for (const char* name :
         {"..%2f..", "A", "a%00", "_catalog", "a/../..", "%2e%2e", "a%2f%2e%2e"}) {
        const std::string response =
            raw_exchange(registry.server.address(),
                         fmt::format("POST /v2/{}/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n"
                                     "Connection: close\r\nContent-Length: 0\r\n\r\n",
                                     name));
        INFO(name);
        CHECK_THAT(response, ContainsSubstring("HTTP/1.1 400"));
    }
    CHECK(fs::is_empty(registry.root / "repositories"));
}

TEST_CASE("Registry: an upload in chunks goes on where the last one ended, or 416",
          "[06][registry]") {
    RegistryFixture registry;
    const std::string bytes = "0123456789";
    const std::string upload = registry.start("a");
    const auto patch = [&](const std::string& range, const std::string& body) {
        return registry.ask("PATCH", upload, {{.name = "Content-Range", .value = range}}, body);
    };
    const HttpReply first = patch("0-3", "0123");
    CHECK(first.status == 202);
    CHECK(header(first, "Range") == "0-3");
    const HttpReply gap = patch("5-6", "56");
    CHECK(gap.status == 416);
    CHECK(header(gap, "Range") == "0-3");
    CHECK(patch("0-3", "0123").status == 416);
    CHECK(patch("x", "4").status == 416);
    CHECK(patch("4-9", "45").status == 400);
    const HttpReply status = registry.ask("GET", upload);
    CHECK(status.status == 204);
    CHECK(header(status, "Range") == "0-3");
    CHECK(patch("4-6", "456").status == 202);
    const Digest digest = digest_of(bytes);
    const HttpReply done = registry.ask("PUT", upload + "?digest=" + digest.text(),
                                        {{.name = "Content-Range", .value = "7-9"}}, "789");
    CHECK(done.status == 201);
    CHECK(header(done, "Location") == "/v2/a/blobs/" + digest.text());
    CHECK(registry.ask("GET", header(done, "Location")).body == bytes);
    CHECK(registry.ask("GET", upload).status == 404);
}

TEST_CASE("Registry: a wrong digest publishes nothing and ends the upload", "[06][registry]") {
    RegistryFixture registry;
    const std::string upload = registry.start("a");
    const HttpReply reply = registry.ask("PUT", upload + "?digest=" + kAbsent, {}, "bytes");
    CHECK(reply.status == 400);
    CHECK(code(reply) == "DIGEST_INVALID");
    CHECK(registry.ask("GET", "/v2/a/blobs/" + kAbsent).status == 404);
    CHECK(registry.ask("GET", "/v2/a/blobs/" + digest_of("bytes").text()).status == 404);
    CHECK(registry.ask("GET", upload).status == 404);
    CHECK(fs::is_empty(registry.root / "blobs/sha256"));
    CHECK(fs::is_empty(registry.root / "tmp"));
    CHECK(registry.ask("PUT", registry.start("a"), {}, "bytes").status == 400);
}

TEST_CASE("Registry: an upload belongs to its repository, and can be cancelled", "[06][registry]") {
    RegistryFixture registry;
    const std::string upload = registry.start("a");
    const std::string id = upload.substr(upload.rfind('/') + 1);
    const HttpReply foreign = registry.ask("PATCH", "/v2/b/blobs/uploads/" + id, {}, "x");
    CHECK(foreign.status == 404);
    CHECK(code(foreign) == "BLOB_UPLOAD_UNKNOWN");
    CHECK(registry.ask("PATCH", "/v2/a/blobs/uploads/..%2f..%2fx", {}, "x").status >= 400);
    CHECK(registry.ask("DELETE", upload).status == 204);
    CHECK(registry.ask("PATCH", upload, {}, "x").status == 404);
    CHECK(fs::is_empty(registry.root / "tmp"));
}

TEST_CASE("Registry: of two requests that write to one upload the second is refused",
          "[06][registry]") {
    RegistryFixture registry;
    const std::string upload = registry.start("a");
    RawClient slow(registry.server.address());
    slow.send(fmt::format("PATCH {} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n01", upload));
    int status = 0;
    for (int i = 0; i < 500 && status != 409; ++i) {  // until the slow one has begun
        status = registry.ask("GET", upload).status;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(status == 409);
    CHECK(registry.ask("PATCH", upload, {}, "x").status == 409);
    slow.send("23");
    CHECK_THAT(slow.read_response(),
               ContainsSubstring("202 Accepted") && ContainsSubstring("Range: 0-3"));
}

TEST_CASE("Registry: a client that breaks off can go on from the byte that arrived",
          "[06][registry]") {
    RegistryFixture registry;
    const std::string upload = registry.start("a");
    {
        const RawClient client(registry.server.address());
        client.send(
            fmt::format("PATCH {} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n0123", upload));
    }
    std::string range;
    for (int i = 0; i < 500 && range != "0-3"; ++i) {
        range = header(registry.ask("GET", upload), "Range");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(range == "0-3");
    CHECK(registry.ask("PATCH", upload, {{.name = "Content-Range", .value = "4-5"}}, "45").status ==
          202);
    CHECK(registry.ask("PUT", upload + "?digest=" + digest_of("012345").text()).status == 201);
}

TEST_CASE("Registry: a blob is mounted from a repository that has it, else an upload begins",
          "[06][registry]") {
    RegistryFixture registry;
    const Digest digest = registry.push_blob("a", "shared");
    const HttpReply mounted =
        registry.ask("POST", fmt::format("/v2/b/blobs/uploads/?mount={}&from=a", digest.text()));
    CHECK(mounted.status == 201);
    CHECK(registry.ask("GET", "/v2/b/blobs/" + digest.text()).body == "shared");
    CHECK(registry.ask("POST", fmt::format("/v2/c/blobs/uploads/?mount={}&from=x", digest.text()))
              .status == 202);
    CHECK(registry.ask("POST", fmt::format("/v2/c/blobs/uploads/?mount={}&from=..", digest.text()))
              .status == 202);
    CHECK(registry.ask("GET", "/v2/c/blobs/" + digest.text()).status == 404);
}

TEST_CASE("Registry: a manifest is had by tag and digest, byte by byte, with its media type",
          "[06][registry]") {
    RegistryFixture registry;
    const std::string text = registry.push_image("a", "v1", "layer");
    const Digest digest = digest_of(text);
    for (const std::string& reference : {std::string("v1"), digest.text()}) {
        const HttpReply reply = registry.ask("GET", "/v2/a/manifests/" + reference);
        CHECK(reply.status == 200);
        CHECK(reply.body == text);
        CHECK(header(reply, "Content-Type") == kManifestType);
        CHECK(header(reply, "Docker-Content-Digest") == digest.text());
        const HttpReply head = registry.ask("HEAD", "/v2/a/manifests/" + reference);
        CHECK(head.status == 200);
        CHECK(header(head, "Content-Length") == std::to_string(text.size()));
    }
    const HttpReply absent = registry.ask("GET", "/v2/a/manifests/v2");
    CHECK(absent.status == 404);
    CHECK(code(absent) == "MANIFEST_UNKNOWN");
    CHECK(registry.ask("GET", "/v2/b/manifests/" + digest.text()).status == 404);
}

TEST_CASE("Registry: an index names manifests that are there", "[06][registry]") {
    RegistryFixture registry;
    const std::string manifest = registry.push_image("a", "v1", "layer");
    const auto index_of = [&](const std::string& digest) {
        return nlohmann::json{
            {"schemaVersion", 2},
            {"mediaType", kIndexType},
            {"manifests",
             {{{"mediaType", kManifestType}, {"digest", digest}, {"size", manifest.size()}}}}}
            .dump();
    };
    CHECK(registry.put_manifest("a", "all", index_of(digest_of(manifest).text()), kIndexType)
              .status == 201);
    CHECK(header(registry.ask("GET", "/v2/a/manifests/all"), "Content-Type") == kIndexType);
    const HttpReply missing = registry.put_manifest("a", "bad", index_of(kAbsent), kIndexType);
    CHECK(missing.status == 404);
    CHECK(code(missing) == "MANIFEST_BLOB_UNKNOWN");
}

TEST_CASE("Registry: a manifest that is not as it should be is refused", "[06][registry]") {
    RegistryFixture registry;
    const std::string good = registry.push_image("a", "v1", "layer");
    nlohmann::json document = nlohmann::json::parse(good);
    const auto refused = [&](const std::string& text, const std::string& type,
                             const std::string& reference = "bad") {
        const HttpReply reply = registry.put_manifest("a", reference, text, type);
        CHECK(registry.ask("GET", "/v2/a/manifests/bad").status == 404);
        return fmt::format("{} {}", reply.status, code(reply));
    };
    CHECK(refused("{", kManifestType) == "400 MANIFEST_INVALID");
    CHECK(refused("[]", kManifestType) == "400 MANIFEST_INVALID");
    CHECK(refused(good, "text/plain") == "400 MANIFEST_INVALID");
    CHECK(refused(good, "") == "400 MANIFEST_INVALID");
    CHECK(refused(good, kIndexType) == "400 MANIFEST_INVALID");
    CHECK(refused(good, kManifestType, kAbsent) == "400 DIGEST_INVALID");
    CHECK(refused(good, kManifestType, "a%20b") == "400 MANIFEST_INVALID");
    CHECK(refused("{\"schemaVersion\":2," + good.substr(1), kManifestType) ==
          "400 MANIFEST_INVALID");
    document["manifests"] = nlohmann::json::array();
    CHECK(refused(document.dump(), kManifestType) == "400 MANIFEST_INVALID");
    document.erase("manifests");
    document["layers"][0]["digest"] = kAbsent;
    CHECK(refused(document.dump(), kManifestType) == "404 MANIFEST_BLOB_UNKNOWN");
    document = nlohmann::json::parse(good);
    document["layers"][0]["size"] = 1;
    CHECK(refused(document.dump(), kManifestType) == "400 SIZE_INVALID");
    CHECK(
        registry.put_manifest("a", "bad", good + std::string(std::size_t{5} << 20U, ' ')).status ==
        413);
    CHECK(registry.put_manifest("b", "v1", good).status ==
          404);  // its blobs are another repository's
}

TEST_CASE("Registry: tags are listed in order, page by page", "[06][registry]") {
    RegistryFixture registry;
    for (const char* tag : {"c", "a", "b", "Z"}) {
        registry.push_image("x/y", tag, "layer");
    }
    const auto tags = [&](const std::string& query) {
        return nlohmann::json::parse(registry.ask("GET", "/v2/x/y/tags/list" + query).body)
            .at("tags")
            .dump();
    };
    CHECK(tags("") == R"(["Z","a","b","c"])");
    CHECK(tags("?n=2") == R"(["Z","a"])");
    CHECK(header(registry.ask("GET", "/v2/x/y/tags/list?n=2"), "Link") ==
          "</v2/x/y/tags/list?n=2&last=a>; rel=\"next\"");
    CHECK(tags("?n=2&last=a") == R"(["b","c"])");
    CHECK(header(registry.ask("GET", "/v2/x/y/tags/list?n=2&last=a"), "Link").empty());
    CHECK(tags("?n=0") == "[]");
    CHECK(tags("?n=99999999999999999999999") == R"(["Z","a","b","c"])");
    CHECK(registry.ask("GET", "/v2/x/y/tags/list?n=x").status == 400);
    const HttpReply absent = registry.ask("GET", "/v2/x/tags/list");
    CHECK(absent.status == 404);
    CHECK(code(absent) == "NAME_UNKNOWN");
    registry.push_image("a", "v", "layer");
    CHECK(registry.ask("GET", "/v2/_catalog").body == R"({"repositories":["a","x/y"]})");
    CHECK(registry.ask("GET", "/v2/_catalog?n=1").body == R"({"repositories":["a"]})");
}

TEST_CASE("Registry: what is deleted is not served", "[06][registry]") {
    RegistryFixture registry;
    const std::string text = registry.push_image("a", "v1", "layer");
    const std::string digest = digest_of(text).text();
    registry.push_image("a", "v2", "layer");
    CHECK(registry.ask("DELETE", "/v2/a/manifests/v2").status == 202);
    CHECK(registry.ask("GET", "/v2/a/manifests/v2").status == 404);
    CHECK(registry.ask("GET", "/v2/a/manifests/v1").status == 200);
    CHECK(registry.ask("DELETE", "/v2/a/manifests/" + digest).status == 202);
    CHECK(registry.ask("GET", "/v2/a/manifests/v1").status == 404);
    CHECK(registry.ask("GET", "/v2/a/manifests/" + digest).status == 404);
    CHECK(registry.ask("DELETE", "/v2/a/manifests/" + digest).status == 404);
    const std::string blob = "/v2/a/blobs/" + digest_of("layer").text();
    CHECK(registry.ask("DELETE", blob).status == 202);
    CHECK(registry.ask("GET", blob).status == 404);
    CHECK(registry.ask("DELETE", blob).status == 404);
}

TEST_CASE("Registry: what was pushed is there after a restart, an upload goes on where it was",
          "[06][registry]") {
    const TempDir directory("drydock-test-");
    std::string text;
    std::string upload;
    {
        RegistryFixture registry({}, directory.path() / "root");
        text = registry.push_image("a", "v1", "layer");
        upload = registry.start("a");
        CHECK(registry.ask("PATCH", upload, {}, "half").status == 202);
        CHECK_THROWS_WITH(Registry({.root = registry.root}),
                          ContainsSubstring("another registry serves it"));
    }
    const fs::path tmp = directory.path() / "root/tmp";
    std::ofstream(tmp / "ingest-of-a-dead-server") << "x";
    RegistryFixture registry({}, directory.path() / "root");
    CHECK(registry.ask("GET", "/v2/a/manifests/v1").body == text);
    const HttpReply status = registry.ask("GET", upload);
    CHECK(status.status == 204);
    CHECK(header(status, "Range") == "0-3");
    std::string elsewhere = upload;
    elsewhere.replace(elsewhere.find("/a/"), 3, "/b/");
    CHECK(registry.ask("GET", elsewhere).status == 404);
    CHECK(registry.ask("GET", "/v2/a/blobs/uploads/..%2f..%2fregistry.lock").status >= 400);
    const std::string digest = digest_of("half and half").text();
    CHECK(registry.ask("PATCH", upload, {{.name = "Content-Range", .value = "4-12"}}, " and half")
              .status == 202);
    CHECK(registry.ask("PUT", upload + "?digest=" + digest).status == 201);
    CHECK(registry.ask("GET", "/v2/a/blobs/" + digest).body == "half and half");
    CHECK(fs::is_empty(tmp));
    CHECK(fs::is_empty(registry.root / "uploads"));
}

TEST_CASE("Registry: many pushers at once, every acknowledged tag is whole", "[06][registry]") {
    RegistryFixture registry;
    std::vector<std::thread> pushers;
    std::atomic<int> failures = 0;
    for (int i = 0; i < 8; ++i) {
        pushers.emplace_back([&, i] {
            HttpClient client;
            for (int round = 0; round < 5; ++round) {
                const std::string layer =
                    fmt::format("layer {}", round);  // the same ones from everybody
                const std::string path =
                    fmt::format("/v2/r{}/blobs/uploads/?digest={}", i % 3, digest_of(layer).text());
                const HttpReply reply =
                    client.call({.method = "POST", .url = registry.url(path), .body = layer});
                failures += reply.status == 201 ? 0 : 1;
            }
        });
    }
    for (std::thread& pusher : pushers) {
        pusher.join();
    }
    CHECK(failures == 0);
    for (int round = 0; round < 5; ++round) {
        const std::string layer = fmt::format("layer {}", round);
        CHECK(registry.ask("GET", "/v2/r1/blobs/" + digest_of(layer).text()).body == layer);
    }
}
