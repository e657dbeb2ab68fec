// A registry that is killed at every step of a push, and one whose disk is full: security.md, 3.3.
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <csignal>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/content_store.hpp"
#include "06-registry/http_client.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "registry_fixture.hpp"
#include "serving_program.hpp"

using namespace drydock;
using namespace drydock::testing;

namespace {

constexpr const char* kConfig = "{\"architecture\":\"amd64\",\"os\":\"linux\"}";
constexpr const char* kLayer = "first half, second half";

std::string manifest() {
    return nlohmann::json{{"schemaVersion", 2},
                          {"mediaType", kManifestType},
                          {"config",
                           {{"mediaType", kConfigType},
                            {"digest", digest_of(kConfig).text()},
                            {"size", std::string(kConfig).size()}}},
                          {"layers",
                           {{{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                             {"digest", digest_of(kLayer).text()},
                             {"size", std::string(kLayer).size()}}}}}
        .dump();
}

/// Every way to send something, one after the other. @return whether all of it was acknowledged
/// @throws HttpUnreachable when the server dies
bool push_everything(const std::string& address) {
    HttpClient client;
    const std::string origin = "http://" + address;
    const auto ask = [&](const std::string& method, const std::string& path,
                         const std::string& body = "") {
        return client.call({.method = method,
                            .url = path.starts_with("http") ? path : origin + path,
                            .headers = {{.name = "Content-Type", .value = kManifestType}},
                            .body = body});
    };
    const std::string layer = kLayer;
    const HttpReply begun = ask("POST", "/v2/a/blobs/uploads/");
    const std::string upload = header(begun, "Location");
    bool good = begun.status == 202;
    good = good && ask("PATCH", upload, layer.substr(0, 10)).status == 202;
    good = good && ask("PATCH", upload, layer.substr(10)).status == 202;
    good = good && ask("PUT", upload + "?digest=" + digest_of(layer).text()).status == 201;
    good =
        good &&
        ask("POST", "/v2/a/blobs/uploads/?digest=" + digest_of(kConfig).text(), kConfig).status ==
            201;
    return good && ask("PUT", "/v2/a/manifests/v1", manifest()).status == 201;
}

/// What is there is whole: each blob has its digest, a tag leads to all of it.
void check_consistent(const fs::path& root, const std::string& address) {
    const ContentStore store(root);
    for (const Digest& digest : store.list()) {
        CHECK(store.verify(digest));
    }
    HttpClient client;
    const std::string origin = "http://" + address + "/v2/a/";
    if (client.call({.url = origin + "manifests/v1"}).status == 200) {
        CHECK(client.call({.url = origin + "manifests/v1"}).body == manifest());
        for (const char* blob : {kConfig, kLayer}) {
            CHECK(client.call({.url = origin + "blobs/" + digest_of(blob).text()}).body == blob);
        }
    }
}

/// Dies at the K-th of these calls of a thread.
std::vector<std::string> killed_at(int k) {
    const std::string calls =
        "fsync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,utimensat";
    return {"strace", "-D",
            "-f",     "-qq",
            "-o",     "/dev/null",
            "-e",     "trace=" + calls,
            "-e",     fmt::format("inject={}:signal=KILL:when={}", calls, k)};
}

}  // namespace

TEST_CASE("drydock-06 serve: killed at every step of a push it starts again whole, and takes it",
          "[06][program][crash]") {
    if (!installed_or_skipped("strace")) {
        return;
    }
    int steps = 0;
    bool survived = false;
    for (int k = 1; k < 100 && !survived; ++k) {
        const TempDir directory("drydock-test-");
        const fs::path root = directory.path() / "root";
        INFO("killed at call " << k);
        {
            ServingProgram dying(root, {}, killed_at(k));
            try {
                survived = !dying.address().empty() && push_everything(dying.address());
                CHECK((survived || dying.address().empty()));
            } catch (const HttpUnreachable&) {
                ++steps;
            }
            dying.end(SIGKILL);
        }
        ServingProgram serving(root);
        REQUIRE_FALSE(serving.address().empty());
        check_consistent(root, serving.address());
        CHECK(push_everything(serving.address()));
        check_consistent(root, serving.address());
        CHECK(serving.end(SIGTERM) == 0);
        CHECK(run_program(
                  {"drydock-06", "gc", "--root", root, "--grace", "0", "--stale-uploads", "0"})
                  .status == 0);
        CHECK(ContentStore(root).list().size() == 3);
        CHECK(fs::is_empty(root / "tmp"));
        CHECK(fs::is_empty(root / "uploads"));
    }
    CHECK(survived);
    CHECK(steps >= 10);
}

TEST_CASE("Registry: a full disk refuses in one clear line, and has its space back",
          "[06][registry][crash]") {
    const std::string facts = text_from_child([] {
        check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(/, MS_PRIVATE)");
        check(::mount("tmpfs", "/mnt", "tmpfs", 0, "size=4m"), "mount(tmpfs, /mnt)");
        RegistryFixture registry({}, "/mnt/root");
        registry.push_image("a", "v1", "layer");
        const auto free_blocks = [] {
            struct statvfs status{};
            check(::statvfs("/mnt", &status), "statvfs(/mnt)");
            return status.f_bfree;
        };
        const std::string big(8'000'000, 'x');
        const std::string digest = digest_of(big).text();
        const std::string upload = registry.start("a");
        const auto before = free_blocks();
        std::string result;
        for (const HttpReply& reply :
             {registry.ask("POST", "/v2/a/blobs/uploads/?digest=" + digest, {}, big),
              registry.ask("PATCH", upload, {}, big)}) {
            result += fmt::format("{} {}", reply.status, reply.body);
        }
        for (int i = 0; i < 500 && free_blocks() < before; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        result += free_blocks() >= before ? "space back\n" : "space lost\n";
        result += fmt::format("upload {}\n", registry.ask("GET", upload).status);
        registry.push_image("a", "v2", "another layer");
        result += registry.ask("GET", "/v2/a/manifests/v1").body.empty() ? "" : "v1 is there\n";
        // Not a byte is left: a manifest cannot be written either, and breaks nothing.
        std::ofstream filler("/mnt/filler");
        while (filler.write(big.data(), 4096).flush()) {
        }
        filler.close();
        nlohmann::json other =
            nlohmann::json::parse(registry.ask("GET", "/v2/a/manifests/v1").body);
        other["annotations"] = {{"k", std::string(200'000, 'v')}};
        result +=
            fmt::format("manifest {}\n", registry.put_manifest("a", "v1", other.dump()).status);
        result += fmt::format("v1 {}\n", registry.ask("GET", "/v2/a/manifests/v1").status);
        // Deleting and collecting need no space.
        result += fmt::format("delete {}\n", registry.ask("DELETE", "/v2/a/manifests/v2").status);
        registry.registry.collect({.grace = std::chrono::seconds(0)});
        return result;
    });
    const std::string refusal =
        "507 {\"errors\":[{\"code\":\"UNKNOWN\",\"detail\":null,\"message\":\"the registry's disk "
        "is "
        "full\"}]}\n";
    CHECK(facts == refusal + refusal +
                       "space back\nupload 404\nv1 is there\nmanifest 507\nv1 200\ndelete 202\n");
}

TEST_CASE("drydock-06 serve: collects each interval, and at SIGUSR1", "[06][program][garbage]") {
    for (const bool by_signal : {false, true}) {
        const TempDir directory("drydock-test-");
        const fs::path root = directory.path() / "root";
        INFO("by signal: " << by_signal);
        ServingProgram serving(root, {"--grace", "0", "--gc-interval", by_signal ? "0" : "1s"});
        HttpClient client;
        const std::string digest = digest_of("forgotten").text();
        REQUIRE(client
                    .call({.method = "POST",
                           .url = fmt::format("http://{}/v2/a/blobs/uploads/?digest={}",
                                              serving.address(), digest),
                           .body = "forgotten"})
                    .status == 201);
        const std::string url = fmt::format("http://{}/v2/a/blobs/{}", serving.address(), digest);
        std::string metrics;
        const std::string wanted = "drydock_registry_collected_blobs_total 1";
        for (int i = 0; i < 100 && metrics.find(wanted) == std::string::npos; ++i) {
            if (by_signal) {
                serving.signal(SIGUSR1);
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            metrics = client.call({.url = "http://" + serving.address() + "/metrics"}).body;
        }
        CHECK_THAT(metrics, ContainsSubstring(wanted));
        CHECK(client.call({.url = url}).status == 404);
        CHECK(serving.end(SIGTERM) == 0);
    }
}

TEST_CASE("drydock-06 gc: what it takes, what it says, wrong use in one line",
          "[06][program][garbage]") {
    const TempDir directory("drydock-test-");
    const fs::path root = directory.path() / "root";
    const auto gc = [&](const std::vector<std::string>& flags) {
        std::vector<std::string> argv = {"drydock-06", "gc", "--root", root};
        argv.insert(argv.end(), flags.begin(), flags.end());
        return run_program(argv);
    };
    CHECK_THAT(gc({}).err, ContainsSubstring("--root"));
    fs::create_directory(root);
    CHECK_THAT(gc({}).err, ContainsSubstring("no registry was ever served from there"));
    CHECK(fs::is_empty(root));
    {
        RegistryFixture registry({}, root);
        registry.push_image("a", "v1", "layer");
        registry.push_blob("a", "forgotten");
        CHECK_THAT(gc({}).err, ContainsSubstring("another registry serves it"));
    }
    CHECK(gc({}).out == "removed 0 blobs and 0 stale uploads, 0 bytes\n");
    CHECK(gc({"--grace", "0s"}).out == "removed 1 blob and 0 stale uploads, 9 bytes\n");
    CHECK_THAT(gc({"--grace", "soon"}).err, ContainsSubstring("--grace"));
    CHECK_THAT(gc({"--grace", "-1"}).err, ContainsSubstring("--grace"));
    RegistryFixture registry({}, root);
    CHECK(registry.ask("GET", "/v2/a/manifests/v1").status == 200);
}
