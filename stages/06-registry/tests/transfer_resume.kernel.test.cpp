// Pull and push over a line that breaks, and from registries that are busy.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

#include "registry_access.hpp"
#include "registry_client.hpp"
#include "tls_front.hpp"
#include "transfer_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

namespace {

bool is_layer(const HttpExchange& exchange, const Image& image, const ImageStore& store) {
    const std::string digest = store.manifest(image).layers.front().digest.text();
    return exchange.request().method == "GET" && exchange.request().path.ends_with(digest);
}

/// Sends at most `bytes` of what the Range asks for, then cuts.
void send_part(HttpExchange& exchange, const std::string& blob, std::size_t bytes, bool ranges) {
    std::size_t begin = 0;
    const std::string range(exchange.request().header("Range"));
    if (ranges && !range.empty()) {
        begin = std::stoul(range.substr(range.find('=') + 1));
    }
    HttpHeaders headers;
    if (begin > 0) {
        headers.push_back(
            {.name = "Content-Range",
             .value = fmt::format("bytes {}-{}/{}", begin, blob.size() - 1, blob.size())});
    }
    HttpStream stream = exchange.begin_stream(begin > 0 ? 206 : 200, headers);
    stream.write(blob.substr(begin, bytes));
    if (begin + bytes >= blob.size()) {
        stream.finish();
    }
}

}  // namespace

TEST_CASE("pull: a transfer that is cut goes on from its last byte", "[06][pull][resume]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name);
    push(at.store, name, {}, {});
    const std::string blob = at.store.content().read(at.store.manifest(image).layers.front().digest,
                                                     std::size_t{1} << 20U);
    std::atomic<int> asked = 0;
    std::atomic<std::size_t> sent = 0;
    const bool ranges = GENERATE(true, false);
    INFO((ranges ? "with Range" : "without Range"));
    at.tamper = [&](HttpExchange& exchange) {
        if (!is_layer(exchange, image, at.store)) {
            return false;
        }
        const std::size_t part = ranges ? 100'000 : 100'000 * static_cast<std::size_t>(asked + 1);
        ++asked;
        sent += std::min(part, blob.size());
        send_part(exchange, blob, part, ranges);
        return true;
    };
    CHECK(pull(at.other, name, {}, {}) == image.manifest.digest.text());
    CHECK(asked == 5);
    if (ranges) {
        CHECK(sent <= blob.size() + 100'000);
    }
    CHECK(at.other.content().verify(at.store.manifest(image).layers.front().digest));
}

TEST_CASE("pull: a registry that sends another part than asked for is not believed",
          "[06][pull][resume]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name);
    push(at.store, name, {}, {});
    const std::string blob = at.store.content().read(at.store.manifest(image).layers.front().digest,
                                                     std::size_t{1} << 20U);
    at.tamper = [&](HttpExchange& exchange) {
        if (!is_layer(exchange, image, at.store)) {
            return false;
        }
        if (exchange.request().header("Range").empty()) {
            send_part(exchange, blob, 1000, false);
        } else {
            exchange.respond(206, {{.name = "Content-Range", .value = "bytes 0-9/400000"}},
                             "0123456789");
        }
        return true;
    };
    CHECK_THROWS_WITH(pull(at.other, name, {}, {}), ContainsSubstring("sent another part"));
    CHECK(nothing_stored(at.other));
}

TEST_CASE("RegistryClient: 429 and 5xx are asked again, as long as Retry-After says",
          "[06][pull][retry]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    make_image(at.store, name);
    push(at.store, name, {}, {});
    std::atomic<int> refused = 0;
    const int status = GENERATE(429, 503);
    at.tamper = [&](HttpExchange& exchange) {
        if (exchange.request().path.find("/manifests/") == std::string::npos || refused >= 2) {
            return false;
        }
        ++refused;
        exchange.respond(status, {{.name = "Retry-After", .value = refused == 1 ? "1" : "0"}}, "");
        return true;
    };
    RegistryClient client(name, {}, "pull");
    const auto begin = std::chrono::steady_clock::now();
    CHECK_FALSE(client.manifest("1").text.empty());
    CHECK(refused == 2);
    CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(1000));
}

TEST_CASE("RegistryClient: one that stays busy is left after the fifth try, a PUT is sent once",
          "[06][pull][retry]") {
    TransferFixture at;
    std::atomic<int> asked = 0;
    at.tamper = [&](HttpExchange& exchange) {
        ++asked;
        exchange.respond(500, {}, "");
        return true;
    };
    RegistryClient client(at.reference("a:1"), {}, "pull");
    client.retry({.first = std::chrono::milliseconds(1)});
    CHECK_THROWS_WITH(client.manifest("1"), ContainsSubstring("the registry answered 500"));
    CHECK(asked == 5);
    asked = 0;
    CHECK_THROWS_AS(client.put_manifest("1", "x/y", "{}"), RegistryError);
    CHECK(asked == 1);
}

TEST_CASE("RegistryClient: a blob is mounted where it is, else nothing is left begun",
          "[06][push]") {
    TransferFixture at;
    const Image image = make_image(at.store, at.reference("a:1"));
    push(at.store, at.reference("a:1"), {}, {});
    const Digest layer = at.store.manifest(image).layers.front().digest;
    RegistryClient client(at.reference("b:1"), {}, "pull,push");
    CHECK(client.mount_blob(layer, "a"));
    CHECK(client.has_blob(layer, "it"));
    CHECK_FALSE(client.mount_blob(digest_of("nowhere"), "a"));
    CHECK(fs::is_empty(at.directory.path() / "root/uploads"));
}

TEST_CASE("RegistryClient: referrers come from the API, or from the tag of a registry without it",
          "[06][referrers]") {
    TransferFixture at;
    RegistryClient client(at.reference("a:1"), {}, "pull,push");
    const Digest subject = digest_of("subject");
    CHECK(client.referrers(subject, "").empty());
    at.tamper = [&](HttpExchange& exchange) {
        if (exchange.request().path.find("/referrers/") != std::string::npos) {
            exchange.respond(404, {}, "");
            return true;
        }
        if (exchange.request().path.ends_with(fmt::format("/manifests/sha256-{}", subject.hex()))) {
            const auto entry = [](const char* type) {
                return fmt::format(
                    R"({{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":1,"artifactType":"{}"}})",
                    digest_of(type).text(), type);
            };
            exchange.respond(
                200, {{.name = "Content-Type", .value = "application/vnd.oci.image.index.v1+json"}},
                fmt::format(
                    R"({{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{},{}]}})",
                    entry("t/a"), entry("t/b")));
            return true;
        }
        return false;
    };
    CHECK(client.referrers(subject, "").size() == 2);
    const auto found = client.referrers(subject, "t/b");
    REQUIRE(found.size() == 1);
    CHECK(found[0].artifact_type == "t/b");
    CHECK(client.referrers(digest_of("other"), "").empty());
}

TEST_CASE("pull and push: through TLS, trusted by certs.d, or on loopback as it is",
          "[06][tls][pull]") {
    TransferFixture at;
    const fs::path config = at.directory.path() / "config";
    ::setenv("DRYDOCK_CONFIG", config.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    const TlsFiles files = self_signed_certificate(at.directory.path() / "tls");
    const TlsFront front(files, "127.0.0.1:0", false, [&](UniqueFd plain, HttpPeer peer) {
        at.server.server().adopt(std::move(plain), std::move(peer));
    });
    const Reference name = parse_reference(front.address() + "/a:1");
    const Image image = make_image(at.store, name);
    push(at.store, name, {}, {});
    CHECK(pull(at.other, name, {}, {}) == image.manifest.digest.text());

    const fs::path certificates = config / "certs.d" / front.address();
    fs::create_directories(certificates);
    fs::copy_file(self_signed_certificate(at.directory.path() / "other-tls").certificate,
                  certificates / "ca.crt");
    CHECK_THROWS_WITH(pull(at.other, name, {}, {}), ContainsSubstring("cannot trust https://"));
    fs::remove(certificates / "ca.crt");
    fs::copy_file(files.certificate, certificates / "ca.crt");
    CHECK(pull(at.other, name, {}, {}) == image.manifest.digest.text());

    CHECK(registry_access("example.org").origins ==
          std::vector<std::string>{"https://example.org"});
    std::ofstream(config / "daemon.json")
        << R"({"insecure-registries": ["example.org:5000", "10.0.0.0/8"]})";
    CHECK(registry_access("example.org:5000").origins.back() == "http://example.org:5000");
    CHECK(registry_access("10.1.2.3:5000").origins.size() == 2);
    CHECK(registry_access("11.1.2.3:5000").origins.size() == 1);
    CHECK(registry_access("example.org").trust.verify);
    std::ofstream(config / "daemon.json") << "[";
    CHECK_THROWS_AS(registry_access("example.org"), InputError);
    ::unsetenv("DRYDOCK_CONFIG");  // NOLINT(concurrency-mt-unsafe)
}
