// What a registry is beside the place of blobs: encrypted, read-only, watched over, asked for what
// refers to a manifest. Section names are those of the distribution-spec 1.1.
#include <filesystem>
#include <fstream>
#include <mutex>
#include <vector>

#include "01-chroot/error.hpp"

#include "testing/program.hpp"

#include "registry_fixture.hpp"
#include "registry_metrics.hpp"
#include "tls_front.hpp"

using namespace drydock;
using namespace drydock::testing;

namespace {

/// A manifest without layers about another one.
std::string artifact(RegistryFixture& registry, const std::string& name, const Digest& subject,
                     const std::string& type) {
    const Digest empty = registry.push_blob(name, "{}");
    return nlohmann::json{
        {"schemaVersion", 2},
        {"mediaType", kManifestType},
        {"artifactType", type},
        {"config",
         {{"mediaType", "application/vnd.oci.empty.v1+json"},
          {"digest", empty.text()},
          {"size", 2}}},
        {"layers", nlohmann::json::array()},
        {"subject", {{"mediaType", kManifestType}, {"digest", subject.text()}, {"size", 1}}},
        {"annotations", {{"who", type}}}}
        .dump();
}

}  // namespace

TEST_CASE("Registry: Listing Referrers: what refers to a manifest, by type, gone when deleted",
          "[06][registry][referrers]") {
    RegistryFixture registry;
    const Digest subject = digest_of("not pushed yet");
    const std::string path = "/v2/a/referrers/" + subject.text();
    const HttpReply none = registry.ask("GET", path);
    CHECK(none.status == 200);
    CHECK(header(none, "Content-Type") == kIndexType);
    CHECK(nlohmann::json::parse(none.body).at("manifests").empty());

    std::string first_digest;
    for (const char* type : {"t/signature", "t/contents"}) {
        const std::string text = artifact(registry, "a", subject, type);
        const HttpReply put = registry.put_manifest("a", digest_of(text).text(), text);
        REQUIRE(put.status == 201);
        CHECK(header(put, "OCI-Subject") == subject.text());
        first_digest = first_digest.empty() ? digest_of(text).text() : first_digest;
    }
    const auto all = nlohmann::json::parse(registry.ask("GET", path).body).at("manifests");
    REQUIRE(all.size() == 2);
    const HttpReply filtered = registry.ask("GET", path + "?artifactType=t%2Fsignature");
    CHECK(header(filtered, "OCI-Filters-Applied") == "artifactType");
    const auto found = nlohmann::json::parse(filtered.body).at("manifests");
    REQUIRE(found.size() == 1);
    CHECK(found[0].at("digest") == first_digest);
    CHECK(found[0].at("artifactType") == "t/signature");
    CHECK(found[0].at("annotations").at("who") == "t/signature");
    CHECK(found[0].at("mediaType") == kManifestType);

    CHECK(registry.ask("DELETE", "/v2/a/manifests/" + first_digest).status == 202);
    CHECK(nlohmann::json::parse(registry.ask("GET", path).body).at("manifests").size() == 1);
    CHECK(registry.ask("GET", "/v2/a/referrers/sha256:x").status == 400);
    const std::string bad =
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[],"subject":{"digest":"../x"}})";
    CHECK(registry.put_manifest("a", "bad", bad).status == 400);
}

TEST_CASE("Registry: a read-only one gives everything and takes nothing", "[06][registry]") {
    const TempDir directory("drydock-test-");
    {
        RegistryFixture writable({}, directory.path() / "root");
        writable.push_image("a", "v1", "layer");
    }
    Registry registry({.root = directory.path() / "root", .read_only = true});
    RunningServer server([&](HttpExchange& exchange) { registry.handle(exchange); });
    HttpClient client;
    const auto ask = [&](const std::string& method, const std::string& path) {
        return client.call({.method = method, .url = "http://" + server.address() + path});
    };
    CHECK(ask("GET", "/v2/a/manifests/v1").status == 200);
    CHECK(ask("HEAD", "/v2/a/manifests/v1").status == 200);
    for (const auto& [method, path] : std::vector<std::pair<std::string, std::string>>{
             {"POST", "/v2/a/blobs/uploads/"},
             {"PUT", "/v2/a/manifests/v2"},
             {"DELETE", "/v2/a/manifests/v1"},
             {"DELETE", "/v2/a/blobs/" + digest_of("layer").text()}}) {
        const HttpReply reply = ask(method, path);
        INFO(method << " " << path);
        CHECK(reply.status == 405);
        CHECK(code(reply) == "UNSUPPORTED");
    }
    CHECK(ask("GET", "/v2/a/manifests/v1").status == 200);
}

TEST_CASE("TlsFront: what goes through it is encrypted, and the bytes are the same", "[06][tls]") {
    const TempDir directory("drydock-test-");
    const std::string big(3'000'000, 'b');
    RunningServer server([&](HttpExchange& exchange) {
        if (exchange.request().path == "/echo") {
            exchange.respond(200, {}, exchange.read_body(std::size_t{8} << 20U));
        } else {
            exchange.respond(200, {{.name = "X-Peer", .value = exchange.request().peer.address}},
                             big);
        }
    });
    const TlsFiles files = self_signed_certificate(directory.path() / "tls");
    CHECK(self_signed_certificate(directory.path() / "tls").key == files.key);
    CHECK((fs::status(files.key).permissions() & fs::perms::mask) == fs::perms(0600));
    const TlsFront front(files, "127.0.0.1:0", false, [&](UniqueFd plain, HttpPeer peer) {
        server.server().adopt(std::move(plain), std::move(peer));
    });
    const std::string url = "https://" + front.address();
    HttpClient client;
    const HttpTrust trust{.ca_file = files.certificate.native()};
    for (int i = 0; i < 3; ++i) {
        const HttpReply reply = client.call({.url = url, .trust = trust});
        CHECK(reply.status == 200);
        CHECK(reply.body == big);
        CHECK(header(reply, "X-Peer").starts_with("127.0.0.1:"));
    }
    CHECK(client.call({.method = "POST", .url = url + "/echo", .body = big, .trust = trust}).body ==
          big);
    CHECK_THROWS_AS(HttpClient().call({.url = url}), HttpUnreachable);
    CHECK(HttpClient().call({.url = url, .trust = {.verify = false}}).status == 200);
    // Plain HTTP at the encrypted port, and TLS at the plain one, end at once and not by a timeout.
    CHECK_THROWS_AS(HttpClient().call({.url = "http://" + front.address()}), HttpUnreachable);
    CHECK_THROWS_AS(HttpClient().call({.url = "https://" + server.address()}), HttpUnreachable);
}

TEST_CASE("TlsFront: files that are no certificate and key are named", "[06][tls]") {
    const TempDir directory("drydock-test-");
    const TlsFiles one = self_signed_certificate(directory.path() / "one");
    const TlsFiles two = self_signed_certificate(directory.path() / "two");
    const auto front = [](const fs::path& certificate, const fs::path& key) {
        const TlsFront made({.certificate = certificate, .key = key}, "127.0.0.1:0", false,
                            [](UniqueFd, const HttpPeer&) {});
    };
    CHECK_THROWS_WITH(front(directory.path() / "none", one.key),
                      ContainsSubstring("--tls-cert " + (directory.path() / "none").native()));
    CHECK_THROWS_WITH(front(one.certificate, two.key), ContainsSubstring("--tls-key"));
    CHECK_THROWS_AS(front(one.key, one.key), InputError);
}

TEST_CASE("HttpServer: each request is logged with its status and bytes", "[06][http][log]") {
    std::mutex mutex;
    std::vector<HttpLogEntry> entries;
    {
        RunningServer server(
            [](HttpExchange& exchange) {
                if (exchange.request().path == "/no") {
                    throw HttpError(404, "no\n");
                }
                exchange.respond(200, {}, "12345");
            },
            {.log = [&](const HttpLogEntry& entry) {
                const std::lock_guard lock(mutex);
                entries.push_back(entry);
            }});
        HttpClient client;
        client.call({.url = "http://" + server.address() + "/yes"});
        client.call({.method = "PUT", .url = "http://" + server.address() + "/no"});
    }
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].method == "GET");
    CHECK(entries[0].path == "/yes");
    CHECK(entries[0].status == 200);
    CHECK(entries[0].sent > 5);
    CHECK(entries[0].peer.starts_with("127.0.0.1:"));
    CHECK(entries[1].status == 404);
    RegistryMetrics metrics;
    for (const HttpLogEntry& entry : entries) {
        metrics.count(entry);
    }
    CHECK_THAT(
        metrics.text(),
        ContainsSubstring("drydock_registry_requests_total{method=\"GET\",code=\"200\"} 1") &&
            ContainsSubstring("{method=\"PUT\",code=\"404\"} 1") &&
            ContainsSubstring("drydock_registry_request_seconds_count 2"));
    const auto line =
        nlohmann::json::parse(log_line({.method = "X\n\xff", .path = "/\"", .status = 7}));
    CHECK(line.at("status") == 7);
    CHECK(line.at("path") == "/\"");
}
