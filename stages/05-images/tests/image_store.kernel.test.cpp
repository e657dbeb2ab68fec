#include "05-images/image_store.hpp"

#include <set>
#include <thread>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "05-images/layer_view.hpp"
#include "05-images/runtime_config.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "store_fixture.hpp"

using namespace drydock;
using drydock::testing::ContainsSubstring;
using drydock::testing::StoreFixture;

namespace {

/// An image that differs from `base` in a label.
Image variant(ImageStore& store, const Image& base, const std::string& label,
              const std::optional<Reference>& name) {
    oci::ImageConfig config = store.config(base);
    config.config.labels["variant"] = label;
    return store.put_image(config, store.manifest(base).layers, name);
}

}  // namespace

TEST_CASE("ensure_base_image: the same image on every machine with this busybox",
          "[05][base-image]") {
    StoreFixture a;
    StoreFixture b;
    const Image one = ensure_base_image(a.store);
    CHECK(one.id == ensure_base_image(b.store).id);
    CHECK(one.manifest.digest == ensure_base_image(b.store).manifest.digest);
    CHECK(ensure_base_image(a.store).id == one.id);
    CHECK(familiar(one.references.at(0)) == "drydock/base:latest");
}

TEST_CASE("ensure_base_image: it has a shell, users, a licence and the places that mounts need",
          "[05][base-image]") {
    StoreFixture f;
    const LayerView view(layer_directories(f.store, f.store.unpack(ensure_base_image(f.store))));
    for (const char* path : {"/bin/sh", "/bin/httpd", "/bin/nc", "/bin/wget", "/bin/ls", "/bin/ps",
                             "/bin/ip", "/usr/bin/env", "/etc/hosts"}) {
        INFO(path);
        const auto found = view.find(path);
        REQUIRE(found.has_value());
        CHECK(S_ISREG(found->status.st_mode));
    }
    CHECK(view.find("/bin/sh")->path == "/bin/busybox");
    CHECK(view.find("/tmp")->status.st_mode == (S_IFDIR | 01777));
    CHECK(view.find("/root")->status.st_mode == (S_IFDIR | 0700));
    CHECK(view.read_file("/etc/passwd", 4096)->starts_with("root:x:0:0"));
    CHECK_THAT(*view.read_file("/usr/share/doc/busybox/copyright", 65536),
               ContainsSubstring("GPL"));
    for (const char* path : {"/proc", "/sys", "/dev"}) {
        CHECK(S_ISDIR(view.find(path)->status.st_mode));
    }
}

TEST_CASE("ImageStore: an image is found by name, ID and prefix", "[05][image-store]") {
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    const std::string hex(base.id.hex());
    for (const std::string& name :
         {std::string("drydock/base"), std::string("docker.io/drydock/base:latest"), base.id.text(),
          hex, hex.substr(0, 12), "sha256:" + hex.substr(0, 7),
          "drydock/base@" + base.manifest.digest.text()}) {
        INFO(name);
        CHECK(f.store.get(name).id == base.id);
    }
    CHECK_THROWS_WITH(f.store.get("nosuch"), "No such image: nosuch:latest");
    CHECK_THROWS_WITH(f.store.get("sha256:" + std::string(64, '0')),
                      ContainsSubstring("No such image: sha256:000"));
    CHECK_THROWS_WITH(f.store.get("UPPER"), ContainsSubstring("must be lowercase"));
    CHECK_FALSE(f.store.find("drydock/base:other").has_value());
}

TEST_CASE("ImageStore: a prefix that fits two images is refused", "[05][image-store]") {
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    std::set<char> seen = {base.id.hex()[0]};
    for (int i = 0; i < 17; ++i) {  // 18 images, 16 digits
        seen.insert(variant(f.store, base, std::to_string(i), {}).id.hex()[0]);
    }
    bool refused = false;
    for (const char digit : seen) {
        try {
            static_cast<void>(f.store.find("sha256:" + std::string(1, digit)));
        } catch (const InputError& e) {
            refused = true;
            CHECK_THAT(e.what(), ContainsSubstring("ambiguous"));
        }
    }
    CHECK(refused);
}

TEST_CASE("ImageStore: a name moves, and the image that had it stays without",
          "[05][image-store]") {
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    const Reference name = parse_reference("demo/web");
    const Image one = variant(f.store, base, "1", name);
    const Image two = variant(f.store, base, "2", name);
    CHECK(f.store.get("demo/web").id == two.id);
    CHECK(f.store.get(one.id.text()).references.empty());
    CHECK(f.store.list().size() == 3);
    f.store.tag(one, parse_reference("demo/old:1"));
    CHECK(f.store.get("demo/old:1").id == one.id);
    f.store.untag(parse_reference("demo/old:1"));
    CHECK(f.store.get(one.id.text()).references.empty());
    CHECK_THROWS_WITH(f.store.untag(parse_reference("demo/old:1")), "No such image: demo/old:1");
}

TEST_CASE("ImageStore: removing takes what no other image needs, and nothing else",
          "[05][image-store]") {
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    f.store.unpack(base);
    const Image other = variant(f.store, base, "1", parse_reference("other"));
    const Digest layer = f.store.manifest(base).layers.at(0).digest;

    const Removal first = f.store.remove_by_name("other", false);
    CHECK(first.untagged == std::vector<std::string>{"other:latest"});
    CHECK(first.deleted == std::vector<Digest>{other.id});
    CHECK(f.store.content().contains(layer));
    CHECK_FALSE(f.store.content().contains(other.id));
    CHECK_FALSE(f.store.content().contains(other.manifest.digest));
    CHECK(f.store.snapshots().list().size() == 1);

    const Removal second = f.store.remove(base);
    CHECK(second.deleted.size() == 2);
    CHECK(f.store.content().list().empty());
    CHECK(f.store.snapshots().list().empty());
    CHECK(f.store.list().empty());
}

TEST_CASE(
    "ImageStore: an ID with several names is removed by force only, a name is just taken away",
    "[05][image-store]") {
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    f.store.tag(base, parse_reference("b"));
    CHECK_THROWS_WITH(f.store.remove_by_name(base.id.text(), false),
                      ContainsSubstring("must be forced"));
    CHECK(f.store.remove_by_name("b", false).deleted.empty());
    CHECK(f.store.get("drydock/base").id == base.id);
    f.store.tag(base, parse_reference("b"));
    CHECK(f.store.remove_by_name(base.id.text(), true).untagged.size() == 2);
    CHECK(f.store.list().empty());
}

TEST_CASE("ImageStore: what a container uses stays when its names go", "[05][image-store]") {
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    f.store.remove(base, [&](const Digest& id) { return id == base.id; });
    CHECK_FALSE(f.store.find("drydock/base").has_value());
    CHECK(f.store.unpack(f.store.get(base.id.text())).size() == 1);
}

TEST_CASE("ImageStore: a manifest whose blobs are not there, or of another size, is refused",
          "[05][image-store]") {
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    const std::string before = f.state();
    oci::Manifest manifest = f.store.manifest(base);
    manifest.layers[0].size += 1;
    CHECK_THROWS_WITH(f.store.put_manifest(to_text(manifest), manifest.media_type, {}),
                      ContainsSubstring("expected"));
    manifest.layers[0].digest = digest_of("nothing");
    CHECK_THROWS_WITH(f.store.put_manifest(to_text(manifest), manifest.media_type, {}),
                      ContainsSubstring("is missing"));
    CHECK(f.state() == before);
}

TEST_CASE("ImageStore: layers that are not what the configuration says are not unpacked",
          "[05][image-store]") {
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    oci::ImageConfig config = f.store.config(base);
    config.diff_ids[0] = digest_of("other");
    const Image wrong = f.store.put_image(config, f.store.manifest(base).layers, {});
    CHECK_THROWS_AS(f.store.unpack(wrong), InputError);
    config.diff_ids.clear();
    CHECK_THROWS_WITH(f.store.unpack(f.store.put_image(config, f.store.manifest(base).layers, {})),
                      ContainsSubstring("1 layers"));
    CHECK(f.store.snapshots().list().empty());
}

TEST_CASE("ImageStore: threads and other stores on the same directory lose no names",
          "[05][image-store]") {
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    constexpr int kThreads = 4;
    constexpr int kNames = 8;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                ImageStore own(f.store.data_root());
                for (int i = 0; i < kNames; ++i) {
                    own.tag(base,
                            parse_reference("x:" + std::to_string(t) + "-" + std::to_string(i)));
                }
            });
        }
    }
    CHECK(f.store.get(base.id.text()).references.size() == 1 + kThreads * kNames);
}

TEST_CASE("ImageStore: an entry of somebody else's in index.json is kept", "[05][image-store]") {
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    oci::Index index = parse_index(f.store.content().read_index(), {}, "index.json");
    index.manifests.push_back({.media_type = "application/x-other",
                               .digest = digest_of("x"),
                               .size = 1,
                               .annotations = {{"k", "v"}}});
    f.store.content().replace_index(to_text(index));
    f.store.tag(base, parse_reference("y"));
    CHECK_THAT(f.store.content().read_index(), ContainsSubstring("application/x-other"));
    CHECK(f.store.list().size() == 1);
}

TEST_CASE("make_bundle: a bundle only its owner can enter, and nothing when it cannot be made",
          "[05][runtime-config]") {
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    f.store.unpack(base);
    const std::string before = f.state();
    const std::filesystem::path directory = f.store.data_root() / "containers" / "one";
    const Bundle bundle = make_bundle(f.store, base, {}, directory, "one");
    CHECK(std::filesystem::status(directory).permissions() == std::filesystem::perms::owner_all);
    CHECK(std::filesystem::status(f.store.data_root()).permissions() ==
          std::filesystem::perms::owner_all);
    CHECK(std::filesystem::is_empty(directory / "rootfs"));
    CHECK(std::filesystem::is_directory(bundle.upper));
    CHECK_THROWS_AS(make_bundle(f.store, base, {}, directory, "two"), std::system_error);
    CHECK(std::filesystem::exists(directory / "config.json"));  // it was there before
    remove_bundle(f.store, directory, "one");
    CHECK(f.state() == before);
    CHECK_THROWS_AS(make_bundle(f.store, base, {.user = "nosuch"}, directory, "one"), InputError);
    CHECK_THROWS_AS(make_bundle(f.store, base, {.workdir = "x"}, directory, "one"), InputError);
    CHECK(f.state() == before);
}

TEST_CASE("ImageStore: skopeo reads the store as it lies", "[05][image-store][peer]") {
    if (!testing::installed_or_skipped("skopeo")) {
        return;
    }
    StoreFixture f;
    const Image base = ensure_base_image(f.store);
    const testing::Outcome outcome = testing::run_program(
        {"skopeo", "inspect",
         "oci:" + f.store.data_root().native() + ":docker.io/drydock/base:latest"});
    INFO(outcome.err);
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, ContainsSubstring(base.manifest.digest.text()));
}
