#include "05-images/image_fsck.hpp"

#include <fcntl.h>

#include <fstream>

#include "01-chroot/error.hpp"
#include "05-images/base_image.hpp"
#include "05-images/image_garbage.hpp"

#include "testing/catch.hpp"

#include "build_fixture.hpp"

using namespace drydock;
using drydock::testing::BuildFixture;
using drydock::testing::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

struct FsckFixture : BuildFixture {
    FsckOptions look{.grace = std::chrono::seconds(0)};
    FsckOptions repair{.repair = true, .grace = std::chrono::seconds(0)};
    Image image = build("FROM drydock/base\nRUN echo x > /x\n");
    fs::path snapshots = store.data_root() / "snapshots";

    std::string text(const FsckOptions& options) { return fsck_text(check_store(store, options)); }
    [[nodiscard]] std::size_t quarantined() const {
        const fs::path put = store.data_root() / "quarantine";
        return fs::exists(put)
                   ? static_cast<std::size_t>(std::distance(fs::directory_iterator(put), {}))
                   : 0;
    }
};

}  // namespace

TEST_CASE("check_store: a store that is well stays as it is", "[05][fsck]") {
    FsckFixture f;
    const std::string before = f.state();
    CHECK_THAT(f.text(f.repair), ContainsSubstring("2 images, 6 blobs of ") &&
                                     ContainsSubstring("2 unpacked layers: all well\n"));
    CHECK(f.state() == before);
    const StoreLease lease(f.store);
    CHECK_THROWS_WITH(check_store(f.store, f.look),
                      ContainsSubstring("a build or a pull is under way"));
}

TEST_CASE("check_store: a damaged blob is named, put aside, and its image misses it",
          "[05][fsck]") {
    FsckFixture f;
    const Digest layer = f.store.manifest(f.image).layers.back().digest;
    std::ofstream(f.store.content().path_of(layer), std::ios::app) << "rot";
    const std::string found = f.text(f.look);
    CHECK_THAT(found, ContainsSubstring("blob " + layer.text() + ": damaged, ") &&
                          ContainsSubstring("0 put into quarantine"));
    CHECK(f.store.content().contains(layer));
    const std::string repaired = f.text(f.repair);
    CHECK_THAT(repaired,
               ContainsSubstring("another digest (put into quarantine)") &&
                   ContainsSubstring("its blob " + layer.text() + " is missing; pull, load"));
    CHECK_FALSE(f.store.content().contains(layer));
    CHECK(f.quarantined() == 1);
    // The builder makes it again: a step whose layer is gone is no step that can be taken over.
    f.request.no_cache = true;
    f.build("FROM drydock/base\nRUN echo y > /y\n");
    CHECK_THAT(f.text(f.look), ContainsSubstring("1 faults"));
}

TEST_CASE("check_store: half layers and dangling chains are put aside, an active snapshot is told",
          "[05][fsck]") {
    FsckFixture f;
    const std::vector<Digest> chains = f.store.unpack(f.image);
    fs::create_directories(f.snapshots / "l/zz/etc");
    fs::create_directories(f.snapshots / "tmp/layer-0123/etc");
    std::ofstream(f.store.data_root() / "tmp/ingest-0123") << "half";
    fs::create_symlink("../l/nothing", f.snapshots / "chains" / std::string(64, 'a'));
    FsckOptions patient = f.look;
    patient.grace = std::chrono::hours(1);
    CHECK_THAT(f.text(patient), ContainsSubstring("1 faults"));  // the rest may be work under way
    const std::string found = f.text(f.repair);
    CHECK_THAT(found, ContainsSubstring("l/zz: a layer without a name") &&
                          ContainsSubstring("tmp/layer-0123: half-done") &&
                          ContainsSubstring("tmp/ingest-0123: half-done") &&
                          ContainsSubstring("chains/aaaaaaaa") &&
                          ContainsSubstring("4 faults, 4 put into quarantine"));
    CHECK(f.quarantined() == 4);
    CHECK_THAT(f.text(f.look), ContainsSubstring("all well"));

    f.store.snapshots().prepare("container", chains);
    f.store.snapshots().remove_layer(chains.back());
    CHECK_THAT(f.text(f.repair), ContainsSubstring("active/container: layer ") &&
                                     ContainsSubstring("its container cannot start") &&
                                     ContainsSubstring("1 faults, 0 put"));
    f.store.snapshots().remove("container");
}
