// What a registry removes, and what it must not: security.md F6.
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

#include "registry_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

constexpr RegistryGarbageOptions kNoGrace{.grace = seconds(0)};

fs::path file_of(const RegistryFixture& registry, const Digest& digest) {
    return registry.root / "blobs/sha256" / digest.hex();
}

/// As if nobody had sent or asked for any blob for so long.
void age_blobs(const RegistryFixture& registry, hours age) {
    for (const auto& entry : fs::directory_iterator(registry.root / "blobs/sha256")) {
        fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - age);
    }
}

/// Without any grace, once the files' clock has moved on: what is written in the tick of its
/// beginning stays.
RegistryGarbage collect_all(RegistryFixture& registry) {
    const auto tick = [] {
        timespec now{};
        check(::clock_gettime(CLOCK_REALTIME_COARSE, &now), "clock_gettime");
        return std::pair(now.tv_sec, now.tv_nsec);
    };
    const auto begin = tick();
    while (tick() == begin) {
        std::this_thread::yield();
    }
    return registry.registry.collect(kNoGrace);
}

std::string manifest_of(const std::string& config, const std::string& layer) {
    return nlohmann::json{{"schemaVersion", 2},
                          {"mediaType", kManifestType},
                          {"config",
                           {{"mediaType", kConfigType},
                            {"digest", digest_of(config).text()},
                            {"size", config.size()}}},
                          {"layers",
                           {{{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                             {"digest", digest_of(layer).text()},
                             {"size", layer.size()}}}}}
        .dump();
}

/// A client that pushes as docker does: asks for each blob, sends what is not there, names it all.
class Pusher {
  public:
    Pusher(std::string origin, std::string name)
        : origin_(std::move(origin)), name_(std::move(name)) {}

    /// @return the status of the manifest's PUT
    int push(const std::string& tag, const std::string& config, const std::string& layer) {
        for (const std::string& blob : {config, layer}) {
            const std::string digest = digest_of(blob).text();
            if (ask("HEAD", "/blobs/" + digest).status == 200) {
                continue;
            }
            const HttpReply sent = ask("POST", "/blobs/uploads/?digest=" + digest, blob);
            if (sent.status != 201) {
                return sent.status;
            }
        }
        return ask("PUT", "/manifests/" + tag, manifest_of(config, layer)).status;
    }
    void remove(const std::string& manifest) {
        ask("DELETE", "/manifests/" + digest_of(manifest).text());
    }
    /// Whether the tag leads to a manifest all of whose blobs are there and are what they should
    /// be.
    bool whole(const std::string& tag) {
        const HttpReply manifest = ask("GET", "/manifests/" + tag);
        if (manifest.status != 200) {
            return false;
        }
        const nlohmann::json parsed = nlohmann::json::parse(manifest.body);
        for (const auto& part : {parsed["config"], parsed["layers"][0]}) {
            const std::string digest = part.at("digest");
            const HttpReply blob = ask("GET", "/blobs/" + digest);
            if (blob.status != 200 || digest_of(blob.body).text() != digest) {
                return false;
            }
        }
        return true;
    }

  private:
    HttpReply ask(const std::string& method, const std::string& path,
                  const std::string& body = "") {
        return client_.call({.method = method,
                             .url = origin_ + "/v2/" + name_ + path,
                             .headers = {{.name = "Content-Type", .value = kManifestType}},
                             .body = body});
    }

    std::string origin_;
    std::string name_;
    HttpClient client_{};
};

/// Pushers beside the collector, which has no mercy with what is not in use at that very moment.
void push_beside_the_collector(int pushers, seconds duration) {
    RegistryFixture registry;
    const std::string origin = registry.url("");
    std::atomic<bool> stop = false;
    std::atomic<int> pushed = 0;
    std::atomic<int> refused = 0;
    std::atomic<int> failed = 0;
    std::mutex mutex;
    std::set<std::pair<std::string, std::string>> acknowledged;
    std::size_t collected = 0;
    std::thread collector([&] {
        while (!stop) {
            collected += registry.registry.collect(kNoGrace).blobs;
        }
    });
    std::vector<std::thread> threads;
    for (int i = 0; i < pushers; ++i) {
        threads.emplace_back([&, i] {
            std::mt19937 random(static_cast<unsigned>(i));
            const std::string name = fmt::format("r{}", i % 5);
            Pusher pusher(origin, name);
            for (int round = 0; !stop; ++round) {
                const std::string tag = fmt::format("t{}-{}", i, round);
                // Few layers, so that everybody finds those that others are about to lose.
                const std::string config = fmt::format("{{\"n\":\"{}\"}}", tag);
                const std::string layer = fmt::format("layer {}", random() % 10);
                int status = 0;
                for (int attempt = 0; attempt < 100 && status != 201; ++attempt) {
                    status = pusher.push(tag, config, layer);
                    refused += status == 404 ? 1 : 0;
                    failed += status == 404 || status == 201 ? 0 : 1;
                }
                if (status != 201) {
                    continue;
                }
                ++pushed;
                if (round % 3 != 0) {
                    pusher.remove(manifest_of(config, layer));
                } else {
                    const std::lock_guard lock(mutex);
                    acknowledged.emplace(name, tag);
                }
            }
        });
    }
    std::this_thread::sleep_for(duration);
    stop = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    collector.join();
    collect_all(registry);
    int broken = 0;
    for (const auto& [name, tag] : acknowledged) {
        broken += Pusher(origin, name).whole(tag) ? 0 : 1;
    }
    INFO(pushed << " pushed, " << refused << " told to send again, " << collected << " collected");
    CHECK(broken == 0);
    CHECK(failed == 0);
    CHECK(acknowledged.size() > 5);
    CHECK(collected > 5);
    // Nothing is kept that nobody needs: a manifest and a configuration a tag, and the layers.
    CHECK(collect_all(registry).blobs == 0);
    std::size_t blobs = 0;
    for (const auto& entry : fs::directory_iterator(registry.root / "blobs/sha256")) {
        blobs += entry.is_regular_file() ? 1 : 0;
    }
    CHECK(blobs <= 2 * acknowledged.size() + 10);
}

}  // namespace

TEST_CASE("Registry: a deleted manifest's blobs lose their space, what others need stays",
          "[06][registry][garbage]") {
    RegistryFixture registry;
    const std::string one = registry.push_image("a", "one", "layer of one");
    const std::string two = registry.push_image("a", "two", "layer of two");
    registry.push_image("b", "v", "layer of two");
    REQUIRE(registry.ask("DELETE", "/v2/a/manifests/" + digest_of(one).text()).status == 202);
    const RegistryGarbage garbage = collect_all(registry);
    CHECK(garbage.blobs == 2);  // the manifest and its layer; the configuration is everybody's
    CHECK(garbage.links == 1);
    CHECK(garbage.bytes == one.size() + std::string("layer of one").size());
    CHECK_FALSE(fs::exists(file_of(registry, digest_of("layer of one"))));
    CHECK(registry.ask("GET", "/v2/a/blobs/" + digest_of("layer of one").text()).status == 404);
    Pusher reader(registry.url(""), "a");
    CHECK(reader.whole("two"));
    CHECK(Pusher(registry.url(""), "b").whole("v"));
    // The repository that needs it no longer may not serve it, the other may.
    REQUIRE(registry.ask("DELETE", "/v2/a/manifests/" + digest_of(two).text()).status == 202);
    CHECK(collect_all(registry).blobs == 0);
    CHECK(registry.ask("GET", "/v2/a/blobs/" + digest_of("layer of two").text()).status == 404);
    CHECK(Pusher(registry.url(""), "b").whole("v"));
    CHECK(to_string(garbage) ==
          fmt::format("removed 2 blobs and 0 stale uploads, {} bytes", garbage.bytes));
}

TEST_CASE("Registry: a tag that is deleted leaves its manifest, and all that it needs",
          "[06][registry][garbage]") {
    RegistryFixture registry;
    const std::string text = registry.push_image("a", "v1", "layer");
    REQUIRE(registry.ask("DELETE", "/v2/a/manifests/v1").status == 202);
    CHECK(collect_all(registry).blobs == 0);
    CHECK(Pusher(registry.url(""), "a").whole(digest_of(text).text()));
}

TEST_CASE("Registry: what an index names stays with it", "[06][registry][garbage]") {
    RegistryFixture registry;
    const std::string manifest = registry.push_image("a", "v1", "layer");
    const std::string index = nlohmann::json{{"schemaVersion", 2},
                                             {"mediaType", kIndexType},
                                             {"manifests",
                                              {{{"mediaType", kManifestType},
                                                {"digest", digest_of(manifest).text()},
                                                {"size", manifest.size()}}}}}
                                  .dump();
    REQUIRE(registry.put_manifest("a", "all", index, kIndexType).status == 201);
    REQUIRE(registry.ask("DELETE", "/v2/a/manifests/v1").status == 202);
    CHECK(collect_all(registry).blobs == 0);
    CHECK(Pusher(registry.url(""), "a").whole(digest_of(manifest).text()));
}

TEST_CASE("Registry: a blob without a manifest stays for its time of grace, from the last question",
          "[06][registry][garbage]") {
    RegistryFixture registry;
    const Digest sent = registry.push_blob("a", "sent");
    const RegistryGarbageOptions an_hour{.grace = hours(1)};
    CHECK(registry.registry.collect(an_hour).blobs == 0);
    age_blobs(registry, hours(2));
    CHECK(registry.ask("HEAD", "/v2/a/blobs/" + sent.text()).status == 200);
    CHECK(registry.registry.collect(an_hour).blobs == 0);
    age_blobs(registry, hours(2));
    CHECK(registry.ask("POST", fmt::format("/v2/b/blobs/uploads/?mount={}&from=a", sent.text()))
              .status == 201);
    CHECK(registry.registry.collect(an_hour).blobs == 0);
    CHECK(registry.ask("GET", "/v2/b/blobs/" + sent.text()).status == 200);
    age_blobs(registry, hours(2));
    CHECK(registry.ask("GET", "/v2/a/blobs/" + sent.text()).status == 200);  // no push asks so
    const RegistryGarbage garbage = registry.registry.collect(an_hour);
    CHECK(garbage.blobs == 1);
    CHECK(garbage.links == 2);
    CHECK(registry.ask("HEAD", "/v2/a/blobs/" + sent.text()).status == 404);
}

TEST_CASE("Registry: an upload that ends after days has its time of grace from its end",
          "[06][registry][garbage]") {
    RegistryFixture registry;
    const std::string upload = registry.start("a");
    REQUIRE(registry.ask("PATCH", upload, {}, "bytes").status == 202);
    const std::string id = upload.substr(upload.rfind('/') + 1);
    fs::last_write_time(registry.root / "tmp" / ("upload-" + id),
                        fs::file_time_type::clock::now() - hours(30));
    const Digest digest = digest_of("bytes");
    REQUIRE(registry.ask("PUT", upload + "?digest=" + digest.text()).status == 201);
    CHECK(registry.registry.collect({}).blobs == 0);
    CHECK(registry.ask("HEAD", "/v2/a/blobs/" + digest.text()).status == 200);
}

TEST_CASE("Registry: uploads that got nothing for a week are forgotten, others go on",
          "[06][registry][garbage]") {
    RegistryFixture registry;
    const std::string old = registry.start("a");
    const std::string young = registry.start("a");
    for (const std::string& upload : {old, young}) {
        REQUIRE(registry.ask("PATCH", upload, {}, "1234567").status == 202);
    }
    fs::last_write_time(registry.root / "tmp" / ("upload-" + old.substr(old.rfind('/') + 1)),
                        fs::file_time_type::clock::now() - hours(24 * 7 + 1));
    const RegistryGarbage garbage = registry.registry.collect({});
    CHECK(garbage.uploads == 1);
    CHECK(garbage.bytes == 7);
    CHECK(registry.ask("GET", old).status == 404);
    CHECK(registry.ask("GET", young).status == 204);
    std::size_t forgotten = 0;
    for (int i = 0; i < 500 && forgotten == 0; ++i) {  // until the last request lets go of it
        forgotten = registry.registry.collect({.stale_uploads = seconds(0)}).uploads;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(forgotten == 1);
    CHECK(fs::is_empty(registry.root / "tmp"));
    CHECK(fs::is_empty(registry.root / "uploads"));
}

TEST_CASE("Registry: referrers that are gone leave no trace", "[06][registry][garbage]") {
    RegistryFixture registry;
    registry.push_blob("a", "{}");
    registry.push_blob("a", "x");
    nlohmann::json manifest = nlohmann::json::parse(manifest_of("{}", "x"));
    manifest["subject"] = {{"mediaType", kManifestType}, {"digest", kAbsent}, {"size", 1}};
    const std::string text = manifest.dump();
    REQUIRE(registry.put_manifest("a", "v", text).status == 201);
    const fs::path noted = registry.root / "repositories/a/_referrers" / kAbsent.substr(7);
    collect_all(registry);
    CHECK(fs::exists(noted / digest_of(text).hex()));
    REQUIRE(registry.ask("DELETE", "/v2/a/manifests/" + digest_of(text).text()).status == 202);
    collect_all(registry);
    CHECK_FALSE(fs::exists(noted));
}

TEST_CASE("Registry: of a repository with a damaged manifest nothing is taken",
          "[06][registry][garbage]") {
    RegistryFixture registry;
    const std::string text = registry.push_image("a", "v1", "layer of a");
    registry.push_blob("b", "forgotten");
    const fs::path file = file_of(registry, digest_of(text));
    fs::permissions(file, fs::perms::owner_all);
    std::ofstream(file) << "{}";
    const RegistryGarbage garbage = collect_all(registry);
    REQUIRE(garbage.damaged.size() == 1);
    CHECK_THAT(garbage.damaged[0], ContainsSubstring("a: blob") && ContainsSubstring("damaged"));
    CHECK(garbage.blobs == 1);
    CHECK(fs::exists(file_of(registry, digest_of("layer of a"))));
    CHECK_FALSE(fs::exists(file_of(registry, digest_of("forgotten"))));
}

TEST_CASE("Registry: images that index.json names are not ours to collect",
          "[06][registry][garbage]") {
    RegistryFixture registry;
    const std::string text = registry.push_image("a", "v1", "layer");
    REQUIRE(registry.ask("DELETE", "/v2/a/manifests/" + digest_of(text).text()).status == 202);
    const nlohmann::json index = {{"schemaVersion", 2},
                                  {"manifests",
                                   {{{"mediaType", kManifestType},
                                     {"digest", digest_of(text).text()},
                                     {"size", text.size()}}}}};
    std::ofstream(registry.root / "index.json") << index.dump();
    CHECK(collect_all(registry).blobs == 0);
    CHECK(fs::exists(file_of(registry, digest_of("layer"))));
    std::ofstream(registry.root / "index.json") << R"({"schemaVersion":2,"manifests":[]})";
    CHECK(collect_all(registry).blobs == 3);
}

TEST_CASE("Registry: pushes beside the collector, every acknowledged tag is whole",
          "[06][registry][garbage]") {
    push_beside_the_collector(8, seconds(3));
}

TEST_CASE("Registry: a minute of 100 pushers beside the collector, every acknowledged tag is whole",
          "[.][long][06][garbage]") {
    push_beside_the_collector(100, seconds(60));
}
