// The content store is an OCI image layout: programs of others read it as it lies.

#include <fcntl.h>

#include <fmt/format.h>

#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/content_store.hpp"
#include "04-layers/snapshotter.hpp"
#include "04-layers/tar_create.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "layer_testing.hpp"

namespace fs = std::filesystem;
using namespace drydock;
using namespace drydock::testing;

namespace {

std::string descriptor(const std::string& type, const Digest& digest, std::uint64_t size,
                       const std::string& more = "") {
    return fmt::format(
        R"({{"mediaType":"application/vnd.oci.image.{}","digest":"{}","size":{}{}}})", type,
        digest.text(), size, more);
}

/// An image with one layer, tagged "test".
void put_image(const ContentStore& store, const fs::path& tree) {
    const LayerBlob layer = create_layer(store, open_file(tree, O_RDONLY | O_DIRECTORY).get());
    const Digest config = store.put(fmt::format(
        R"({{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}})",
        layer.diff_id.text()));
    const Digest manifest = store.put(fmt::format(
        R"({{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}})",
        descriptor("config.v1+json", config, store.size(config)),
        descriptor("layer.v1.tar+gzip", layer.digest, layer.size)));
    store.replace_index(
        fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})",
                    descriptor("manifest.v1+json", manifest, store.size(manifest),
                               R"(,"annotations":{"org.opencontainers.image.ref.name":"test"})")));
}

}  // namespace

TEST_CASE("image layout: umoci unpacks from it what went in", "[04][layout]") {
    if (!installed_or_skipped("umoci")) {
        return;
    }
    const TempDir dir("drydock-test");
    const fs::path store = dir.path() / "store";
    make_tree(dir.path() / "tree", 5, true);
    put_image(ContentStore(store), dir.path() / "tree");
    const Snapshotter beside(store / "snapshots");
    const fs::path bundle = dir.path() / "bundle";
    const Outcome outcome =
        run_program({"umoci", "unpack", "--image", store.native() + ":test", bundle.native()});
    CHECK(outcome.err == "");
    REQUIRE(outcome.status == 0);
    auto expected = fingerprint(dir.path() / "tree");
    auto unpacked = fingerprint(bundle / "rootfs");
    expected.erase(".");
    unpacked.erase(".");
    CHECK(difference(expected, unpacked) == "");
}

TEST_CASE("image layout: skopeo inspects and copies it", "[04][layout]") {
    if (!installed_or_skipped("skopeo")) {
        return;
    }
    const TempDir dir("drydock-test");
    const fs::path store = dir.path() / "store";
    make_tree(dir.path() / "tree", 6, true);
    put_image(ContentStore(store), dir.path() / "tree");
    const std::string source = "oci:" + store.native() + ":test";
    CHECK(run_program({"skopeo", "inspect", source}).status == 0);
    const Outcome copied = run_program({"skopeo", "--insecure-policy", "copy", source,
                                        "oci:" + (dir.path() / "copy").native() + ":test"});
    CHECK(copied.status == 0);
    // Each blob arrived there under the digest that it has here.
    for (const Digest& digest : ContentStore(store).list()) {
        INFO(digest.text() << copied.err);
        CHECK(ContentStore(dir.path() / "copy").contains(digest));
    }
}
