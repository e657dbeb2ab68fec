// What is said to registries without an image store, mounts and parts of a push, and a disk that is
// full. Needs root: layers hold files of any owner.
#include <atomic>
#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "06-registry/artifact.hpp"
#include "06-registry/copy_image.hpp"
#include "06-registry/inspect_remote.hpp"
#include "06-registry/login.hpp"
#include "06-registry/search.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "registry_client.hpp"
#include "transfer_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

namespace {

constexpr const char* kAnn =  // htpasswd -nbBC 4 ann secret
    "ann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";

std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// An index of one image for this machine and one for another.
std::string put_index(TransferFixture& at, const Image& here, const Image& there) {
    const auto entry = [](const Image& image, const char* architecture) {
        return nlohmann::json{{"mediaType", image.manifest.media_type},
                              {"digest", image.manifest.digest.text()},
                              {"size", image.manifest.size},
                              {"platform", {{"os", "linux"}, {"architecture", architecture}}}};
    };
    const nlohmann::json index{
        {"schemaVersion", 2},
        {"mediaType", media_type::kOciIndex},
        {"manifests", {entry(here, host_platform().architecture.c_str()), entry(there, "pdp11")}}};
    RegistryClient(at.reference("a:all"), {}, "pull,push")
        .put_manifest("all", media_type::kOciIndex, index.dump());
    return digest_of(index.dump()).text();
}

}  // namespace

TEST_CASE("log_in: the registry is asked before anything is kept", "[06][auth]") {
    const TempDir directory("drydock-test-");
    std::ofstream(directory.path() / "htpasswd") << kAnn;
    TransferFixture at(directory.path() / "htpasswd");
    CHECK(log_in(at.server.address(), {.user = "ann", .password = "secret"}).user == "ann");
    CHECK_THROWS_WITH(
        log_in(at.server.address(), {.user = "ann", .password = "no"}),
        ContainsSubstring("access to the registry on") && ContainsSubstring("denied"));
    CHECK_THROWS_AS(log_in("127.0.0.1:1", {.user = "ann", .password = "x"}), RegistryError);
}

TEST_CASE("log_in: an identity token is kept instead of the password, and used", "[06][auth]") {
    TransferFixture at;
    std::vector<std::string> bodies;
    at.tamper = [&](HttpExchange& exchange) {
        const HttpRequest& request = exchange.request();
        if (request.path == "/token") {
            if (request.method == "POST") {
                const std::string body = exchange.read_body(10'000);
                bodies.push_back(body);
                exchange.respond(
                    body.find("refresh_token=r3fresh") != std::string::npos ? 200 : 401, {},
                    R"({"access_token":"t0ken"})");
            } else {
                exchange.respond(request.parameter("offline_token") == "true" ? 200 : 400, {},
                                 R"({"token":"t0ken","refresh_token":"r3fresh"})");
            }
            return true;
        }
        if (request.header("Authorization") != "Bearer t0ken") {
            exchange.respond(
                401,
                {{.name = "WWW-Authenticate",
                  .value = fmt::format("Bearer realm=\"http://{}/token\",service=\"s\"",
                                       at.server.address())}},
                "");
            return true;
        }
        return false;
    };
    const Credentials kept = log_in(at.server.address(), {.user = "ann", .password = "secret"});
    CHECK(kept.identity_token == "r3fresh");
    CHECK(kept.password.empty());
    RegistryClient client(at.reference("a:1"), kept, "pull");
    CHECK_THROWS_AS(client.manifest("1"), RegistryError);  // 404: we are in
    REQUIRE(bodies.size() == 1);
    CHECK_THAT(bodies[0], ContainsSubstring("grant_type=refresh_token") &&
                              ContainsSubstring("scope=repository%3Aa%3Apull"));
}

TEST_CASE("search and tags: out of the catalogue, or what the registry's own search says",
          "[06][search]") {
    TransferFixture at;
    for (const char* name : {"demo/web:1", "demo/web:2", "demo/db:1"}) {
        make_image(at.store, at.reference(name));
        push(at.store, at.reference(name), {}, {});
    }
    const auto found = search_registry(at.server.address(), "we", 10, {});
    REQUIRE(found.size() == 1);
    CHECK(found[0].name == at.server.address() + "/demo/web");
    CHECK(search_registry(at.server.address(), "demo", 1, {}).size() == 1);
    CHECK(RegistryClient(at.reference("demo/web:1"), {}, "pull").tags() ==
          std::vector<std::string>{"1", "2"});
    at.tamper = [](HttpExchange& exchange) {
        if (exchange.request().path != "/v1/search") {
            return false;
        }
        exchange.respond(
            200, {},
            R"({"results":[{"name":"x","description":"d","star_count":3,"is_official":true}]})");
        return true;
    };
    const auto own = search_registry(at.server.address(), "x", 10, {});
    REQUIRE(own.size() == 1);
    CHECK(own[0].stars == 3);
}

TEST_CASE("copy_image: from registry to registry, one platform or all", "[06][copy]") {
    TransferFixture at;
    TransferFixture elsewhere;
    const Image here = make_image(at.store, at.reference("a:1"), 1);
    const Image there = make_image(at.store, at.reference("a:2"), 2);
    push(at.store, at.reference("a:1"), {}, {});
    push(at.store, at.reference("a:2"), {}, {});
    const std::string index = put_index(at, here, there);
    const Reference from = at.reference("a:all");
    const Reference one = elsewhere.reference("b:one");
    CHECK(copy_image({.name = from}, {.name = one}, {}) == here.manifest.digest.text());
    CHECK(pull(at.other, one, {}, {}) == here.manifest.digest.text());
    const Reference all = elsewhere.reference("b:all");
    CHECK(copy_image({.name = from}, {.name = all}, {.all = true}) == index);
    RegistryClient client(all, {}, "pull");
    CHECK(client.has_manifest(there.manifest.digest.text()));
    CHECK(client.manifest("all").digest.text() == index);

    at.asked.clear();
    copy_image({.name = at.reference("a:1")}, {.name = at.reference("c:1")}, {});
    CHECK(at.count("GET", "/blobs/") == 0);  // within one registry blobs are taken over
    CHECK(at.count("PUT", "/blobs/") == 0);
}

TEST_CASE("pull: of an index the image for the platform that was asked for", "[06][pull]") {
    TransferFixture at;
    const Image here = make_image(at.store, at.reference("a:1"), 1);
    const Image there = make_image(at.store, at.reference("a:2"), 2);
    push(at.store, at.reference("a:1"), {}, {});
    push(at.store, at.reference("a:2"), {}, {});
    const std::string index = put_index(at, here, there);
    const Reference all = at.reference("a:all");
    CHECK(pull(at.other, all, {}, {}, {.platform = {{.os = "linux", .architecture = "pdp11"}}}) ==
          there.manifest.digest.text());
    CHECK(pull(at.other, all, {}, {}) == here.manifest.digest.text());
    CHECK_THROWS_WITH(
        pull(at.other, all, {}, {}, {.platform = {{.os = "linux", .architecture = "vax"}}}),
        "no matching manifest for linux/vax in the manifest list entries");

    const RemoteImage several = inspect_remote(all, {});
    CHECK(several.manifest.digest.text() == index);
    CHECK(several.manifest.media_type == media_type::kOciIndex);
    REQUIRE(several.platforms.size() == 2);
    CHECK(several.platforms[1].architecture == "pdp11");
    const RemoteImage one = inspect_remote(at.reference("a:1"), {});
    CHECK(one.manifest.digest == here.manifest.digest);
    CHECK(one.manifest.size > 0);
    REQUIRE(one.platforms.size() == 1);
    CHECK(one.platforms[0].architecture == host_platform().architecture);
    CHECK_THROWS_AS(inspect_remote(at.reference("a:none"), {}), RegistryError);
}

TEST_CASE("copy_image: a blob that is not what its digest says arrives nowhere", "[06][copy]") {
    TransferFixture at;
    TransferFixture elsewhere;
    make_image(at.store, at.reference("a:1"));
    push(at.store, at.reference("a:1"), {}, {});
    at.tamper = [](HttpExchange& exchange) {
        if (exchange.request().method != "GET" ||
            exchange.request().path.find("/blobs/") == std::string::npos) {
            return false;
        }
        exchange.respond(200, {}, "something else");
        return true;
    };
    CHECK_THROWS(
        copy_image({.name = at.reference("a:1")}, {.name = elsewhere.reference("b:1")}, {}));
    CHECK(elsewhere.count("PUT", "/manifests/") == 0);
    CHECK(elsewhere.registry_blobs().empty());
}

TEST_CASE("artifact: files come back, and who refers to what is told", "[06][artifact]") {
    TransferFixture at;
    const fs::path from = at.directory.path() / "from";
    const fs::path to = at.directory.path() / "to";
    fs::create_directories(from);
    fs::create_directories(to);
    std::ofstream(from / "sbom.json") << R"({"x":1})";
    std::ofstream(from / "empty");
    const Image image = make_image(at.store, at.reference("a:1"));
    push(at.store, at.reference("a:1"), {}, {});
    std::string kept;  // the index of who refers to the image, where there is no list
    const bool list = GENERATE(true, false);  // whether the registry keeps the list of referrers
    at.tamper = [&](HttpExchange& exchange) {
        if (!list && exchange.request().path.find("/referrers/") != std::string::npos) {
            exchange.respond(404, {}, "");
            return true;
        }
        if (!list && exchange.request().method == "PUT" &&
            exchange.request().path.ends_with("/manifests/sbom")) {
            exchange.respond(201, {}, "");  // without OCI-Subject
            return true;
        }
        if (!list && exchange.request().path.find("/manifests/sha256-") != std::string::npos) {
            if (exchange.request().method == "PUT") {
                kept = exchange.read_body(100'000);
            }
            exchange.respond(
                kept.empty()                         ? 404
                : exchange.request().method == "PUT" ? 201
                                                     : 200,
                {{.name = "Content-Type", .value = std::string(media_type::kOciIndex)}}, kept);
            return true;
        }
        return false;
    };
    const std::string digest = push_artifact(
        at.reference("a:sbom"),
        {{.path = from / "sbom.json", .media_type = "text/json"}, {.path = from / "empty"}}, {},
        {.type = "x/sbom", .subject = "1"});
    RegistryClient client(at.reference("a:1"), {}, "pull");
    const auto referrers = client.referrers(image.manifest.digest, "x/sbom");
    REQUIRE(referrers.size() == 1);
    CHECK(referrers[0].manifest.digest.text() == digest);
    CHECK(client.referrers(image.manifest.digest, "x/other").empty());
    if (!list) {
        return;
    }
    CHECK(pull_artifact(at.reference("a:sbom"), to, {}) ==
          std::vector<std::string>{"sbom.json", "empty"});
    CHECK(text_of(to / "sbom.json") == R"({"x":1})");
    CHECK_THROWS(pull_artifact(at.reference("a:sbom"), to, {}));  // nothing is written over
    CHECK(std::distance(fs::directory_iterator(to), {}) == 2);
}

TEST_CASE("artifact: a title that leads out of the directory is refused", "[06][artifact]") {
    TransferFixture at;
    const fs::path to = at.directory.path() / "to";
    fs::create_directories(to);
    std::ofstream(at.directory.path() / "f") << "x";
    push_artifact(at.reference("a:1"), {{.path = at.directory.path() / "f"}}, {}, {});
    RegistryClient client(at.reference("a:1"), {}, "pull,push");
    for (const char* title : {"../f2", "/tmp/x", "..", "a/b"}) {
        auto manifest = nlohmann::json::parse(client.manifest("1").text);
        manifest["layers"][0]["annotations"]["org.opencontainers.image.title"] = title;
        client.put_manifest("2", media_type::kOciManifest, manifest.dump());
        CHECK_THROWS_WITH(pull_artifact(at.reference("a:2"), to, {}),
                          ContainsSubstring("expected a plain name"));
    }
    CHECK(fs::is_empty(to));
}

TEST_CASE("push: a blob is taken over from the repository it came from", "[06][push]") {
    TransferFixture at;
    make_image(at.store, at.reference("a:1"));
    push(at.store, at.reference("a:1"), {}, {});
    pull(at.other, at.reference("a:1"), {}, {});
    for (ImageStore* store : {&at.store, &at.other}) {  // pushed from there, pulled from there
        const Reference copy = at.reference(store == &at.store ? "b:1" : "c:1");
        store->tag(store->get(familiar(at.reference("a:1"))), copy);
        const int sent = at.count("PUT", "/blobs/uploads/");
        std::vector<std::string> lines;
        push(*store, copy, {}, collect(lines));
        CHECK(at.count("PUT", "/blobs/uploads/") == sent);
        CHECK(std::ranges::count_if(lines, [](const std::string& line) {
                  return line.ends_with(": Mounted from a") || line.ends_with(": Mounted from b");
              }) == 2);
    }
}

TEST_CASE("push: a large blob goes on with the part that did not arrive", "[06][push]") {
    TransferFixture at;
    const std::string bytes = random_bytes(kUploadPart + 1'000'000, 7);
    const oci::Descriptor blob{.digest = at.store.content().put(bytes), .size = bytes.size()};
    RegistryClient client(at.reference("a:1"), {}, "pull,push");
    client.retry({.first = std::chrono::milliseconds(1)});
    std::atomic<int> parts = 0;
    at.tamper = [&](HttpExchange& exchange) {
        if (exchange.request().method != "PATCH") {
            return false;
        }
        const int part = ++parts;
        if (part == 1 || part == 3) {
            exchange.respond(503, {}, "");
            return true;
        }
        return false;
    };
    client.send_blob(at.store.content(), blob, [](std::uint64_t) {});
    CHECK(parts == 4);
    CHECK(client.has_blob(blob.digest, "it"));
}

TEST_CASE("pull: the place that a foreign layer names is not asked", "[06][auth][liar]") {
    TransferFixture at;
    TransferFixture elsewhere;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name);
    push(at.store, name, {}, {});
    auto manifest = nlohmann::json::parse(at.store.manifest_text(image));
    for (auto& layer : manifest["layers"]) {
        layer["urls"] = {fmt::format("http://{}/v2/a/blobs/{}", elsewhere.server.address(),
                                     layer["digest"].get<std::string>())};
    }
    RegistryClient(name, {}, "pull,push")
        .put_manifest("foreign", image.manifest.media_type, manifest.dump());
    CHECK_NOTHROW(pull(at.other, at.reference("a:foreign"), {.user = "ann", .password = "x"}, {}));
    CHECK(elsewhere.asked.empty());
}

TEST_CASE("pull: a full disk is named, and its space is as before", "[06][program]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    make_image(at.store, name, 1, 3);
    push(at.store, name, {}, {});
    const fs::path disk = at.directory.path() / "disk";
    fs::create_directories(disk);
    const std::string script = R"sh(
mount -t tmpfs -o size="$3" none "$1" || exit 9
"$2" pull --data-root "$1/data" "$4:none" >/dev/null 2>&1
before=$(find "$1" -type f -size +4k | wc -l)
"$2" pull --data-root "$1/data" "$4:1" 2>&1 >/dev/null; status=$?
echo "status $status before $before after $(find "$1" -type f -size +4k | wc -l)"
)sh";
    const std::string size =
        GENERATE("300k", "1000k", "1700k");  // fails early, in the middle, late
    INFO(size);
    const std::string repository = fmt::format("{}/a", at.server.address());
    const Outcome outcome = run_program({"unshare", "-m", "sh", "-c", script, "sh", disk.native(),
                                         program_path("drydock-06").native(), size, repository});
    CHECK_THAT(outcome.out, ContainsSubstring("No space left on device") &&
                                ContainsSubstring("status 1 before 0 after 0"));
    CHECK(std::ranges::count(outcome.out, '\n') == 2);  // one line, and ours
}
