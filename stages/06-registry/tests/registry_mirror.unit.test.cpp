// A registry that has what another one has: fetched when it is asked for, kept within a bound.
#include <atomic>
#include <optional>
#include <thread>

#include "01-chroot/error.hpp"

#include "registry_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

namespace {

/// A registry, and a mirror of it.
struct Mirrored {
    explicit Mirrored(std::uint64_t size = 1 << 20, const std::vector<std::string>& faults = {})
        : origin(RegistryOptions{.root = directory.path() / "origin", .faults = faults}) {
        upstream.emplace([this](HttpExchange& exchange) {
            const HttpRequest& request = exchange.request();
            blobs_asked +=
                request.method == "GET" && request.path.find("/blobs/") != std::string::npos ? 1
                                                                                             : 0;
            manifests_asked += request.path.find("/manifests/") != std::string::npos ? 1 : 0;
            origin.handle(exchange);
        });
        mirror.emplace(RegistryOptions{.root = directory.path() / "mirror",
                                       .mirror_of = upstream->address(),
                                       .mirror_size = size});
        server.emplace([this](HttpExchange& exchange) { mirror->handle(exchange); });
    }
    static HttpReply send(const RunningServer& to, const std::string& method,
                          const std::string& path, const std::string& body = "") {
        return HttpClient().call({.method = method,
                                  .url = "http://" + to.address() + path,
                                  .headers = {{.name = "Content-Type", .value = kManifestType}},
                                  .body = body});
    }
    HttpReply get(const std::string& path) const { return send(*server, "GET", path); }
    HttpReply blob(const std::string& bytes) const {
        return get("/v2/a/blobs/" + digest_of(bytes).text());
    }
    /// An image of one layer, upstream. @return its manifest
    std::string push(const std::string& tag, const std::string& layer) const {
        for (const std::string& bytes : {std::string("{}"), layer}) {
            REQUIRE(send(*upstream, "POST",
                         "/v2/a/blobs/uploads/?digest=" + digest_of(bytes).text(), bytes)
                        .status == 201);
        }
        const std::string text = nlohmann::json{
            {"schemaVersion", 2},
            {"mediaType", kManifestType},
            {"config",
             {{"mediaType", kConfigType}, {"digest", digest_of("{}").text()}, {"size", 2}}},
            {"layers",
             {{{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
               {"digest", digest_of(layer).text()},
               {"size",
                layer.size()}}}}}.dump();
        REQUIRE(send(*upstream, "PUT", "/v2/a/manifests/" + tag, text).status == 201);
        return text;
    }
    fs::path file(const std::string& bytes) const {
        return directory.path() / "mirror/blobs/sha256" / digest_of(bytes).hex();
    }
    std::uintmax_t kept() const {
        std::uintmax_t total = 0;
        for (const auto& entry : fs::directory_iterator(directory.path() / "mirror/blobs/sha256")) {
            total += entry.file_size();
        }
        return total;
    }

    TempDir directory{"drydock-test-"};
    Registry origin;
    std::atomic<int> blobs_asked = 0;
    std::atomic<int> manifests_asked = 0;
    std::optional<RunningServer> upstream{};
    std::optional<Registry> mirror{};
    std::optional<RunningServer> server{};
};

void make_older(const fs::path& file, int minutes) {
    fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::minutes(minutes));
}

}  // namespace

TEST_CASE("mirror: what is asked for is fetched once, and had from here after that",
          "[06][registry][mirror]") {
    Mirrored at;
    const std::string text = at.push("v1", "layer");
    const HttpReply manifest = at.get("/v2/a/manifests/v1");
    CHECK(manifest.status == 200);
    CHECK(manifest.body == text);
    CHECK(header(manifest, "Content-Type") == kManifestType);
    for (int i = 0; i < 3; ++i) {
        CHECK(at.blob("layer").body == "layer");
    }
    CHECK(at.blobs_asked == 1);
    const int asked = at.manifests_asked;
    CHECK(at.get("/v2/a/manifests/" + digest_of(text).text()).body == text);
    CHECK(at.manifests_asked == asked);
    CHECK(at.get("/v2/a/manifests/none").status == 404);
    CHECK(at.get("/v2/none/manifests/v1").status == 404);
}

TEST_CASE("mirror: a tag follows upstream, and is the last known where that cannot be reached",
          "[06][registry][mirror]") {
    Mirrored at;
    at.push("v1", "first");
    CHECK_THAT(at.get("/v2/a/manifests/v1").body, ContainsSubstring(digest_of("first").text()));
    const std::string second = at.push("v1", "second");
    CHECK(at.get("/v2/a/manifests/v1").body == second);
    at.push("v2", "other");
    CHECK(at.get("/v2/a/manifests/v2").status == 200);
    REQUIRE(Mirrored::send(*at.upstream, "DELETE", "/v2/a/manifests/v2").status == 202);
    CHECK(at.get("/v2/a/manifests/v2").status == 404);
    CHECK(at.blob("second").status == 200);
    at.upstream.reset();
    CHECK(at.get("/v2/a/manifests/v1").body == second);
    CHECK(at.blob("second").body == "second");
    const HttpReply unknown = at.get("/v2/a/manifests/v3");
    CHECK(unknown.status == 502);
    CHECK_THAT(unknown.body, ContainsSubstring("upstream: "));
}

TEST_CASE("mirror: bytes that have another digest go no further, and leave nothing",
          "[06][registry][mirror]") {
    Mirrored at(1 << 20, {"flip=2,times=1"});
    at.push("v1", "layer");
    REQUIRE(at.get("/v2/a/manifests/v1").status == 200);
    const HttpReply flipped = at.blob("layer");
    CHECK(flipped.status == 502);
    CHECK_THAT(flipped.body, ContainsSubstring("have the digest"));
    CHECK_FALSE(fs::exists(at.file("layer")));
    CHECK(fs::is_empty(at.directory.path() / "mirror/tmp"));
    CHECK(at.blob("layer").body == "layer");
}

TEST_CASE("mirror: keeps its size, and what was asked for last", "[06][registry][mirror]") {
    Mirrored at(250'000);
    std::vector<std::string> layers;
    for (const char letter : {'a', 'b', 'c'}) {
        layers.emplace_back(100'000, letter);
        at.push(std::string("v") + letter, layers.back());
        REQUIRE(at.get(std::string("/v2/a/manifests/v") + letter).status == 200);
    }
    CHECK(at.blob(layers[0]).body == layers[0]);
    CHECK(at.blob(layers[1]).body == layers[1]);
    make_older(at.file(layers[0]), 20);
    make_older(at.file(layers[1]), 10);
    CHECK(at.blob(layers[0]).body == layers[0]);  // now the other one rests the longest
    CHECK(at.blob(layers[2]).body == layers[2]);
    CHECK(at.kept() <= 250'000);
    CHECK(fs::exists(at.file(layers[0])));
    CHECK_FALSE(fs::exists(at.file(layers[1])));
    CHECK(at.blob(layers[1]).body == layers[1]);
    CHECK(at.kept() <= 250'000);
}

TEST_CASE("mirror: a blob beyond its size is served, and not kept", "[06][registry][mirror]") {
    Mirrored at(1000);
    const std::string big(100'000, 'x');
    at.push("v1", big);
    REQUIRE(at.get("/v2/a/manifests/v1").status == 200);
    CHECK(at.blob(big).body == big);
    CHECK(at.kept() <= 1000);
}

TEST_CASE("mirror: however many ask at once, it is fetched once", "[06][registry][mirror]") {
    Mirrored at(1 << 23);
    const std::string big(3'000'000, 'x');
    at.push("v1", big);
    REQUIRE(at.get("/v2/a/manifests/v1").status == 200);
    std::atomic<int> good = 0;
    std::vector<std::thread> readers;
    for (int i = 0; i < 8; ++i) {
        readers.emplace_back([&] { good += at.blob(big).body == big ? 1 : 0; });
    }
    for (std::thread& reader : readers) {
        reader.join();
    }
    CHECK(good == 8);
    CHECK(at.blobs_asked == 1);
}

TEST_CASE("mirror: takes nothing, and asks for nothing that no manifest names",
          "[06][registry][mirror]") {
    Mirrored at;
    at.push("v1", "layer");
    CHECK(at.blob("layer").status == 404);  // its manifest is not here
    CHECK(at.blobs_asked == 0);
    const HttpReply refused = Mirrored::send(*at.server, "POST", "/v2/a/blobs/uploads/");
    CHECK(refused.status == 405);
    CHECK_THAT(refused.body, ContainsSubstring("push there"));
    for (const char* wrong : {"ftp://x", "a/b", "x:y:z", " ", "https://host/path"}) {
        INFO(wrong);
        const TempDir directory("drydock-test-");
        CHECK_THROWS_WITH(
            Registry(RegistryOptions{.root = directory.path() / "r", .mirror_of = wrong}),
            ContainsSubstring(std::string("--mirror-of ") + wrong + ": expected the HOST[:PORT]"));
    }
}
