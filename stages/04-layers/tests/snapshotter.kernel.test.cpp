#include "04-layers/snapshotter.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/tar_create.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

#include "layer_testing.hpp"

namespace fs = std::filesystem;
using namespace drydock;
using namespace drydock::testing;

namespace {

struct Stores {
    TempDir dir{"drydock-test"};
    ContentStore blobs{dir.path()};
    Snapshotter snapshots{dir.path() / "snapshots"};
    std::vector<Digest> chains{};

    /// One more layer on top.
    void add(const std::vector<Member>& members) {
        const std::string archive = tar_of(members);
        const Digest blob = blobs.put(gzip_of(archive));
        chains.push_back(snapshots.commit_layer(blobs, chains, blob, digest_of(archive)));
    }
};

/// What `body` says of an active snapshot that is mounted in a mount namespace of its own.
std::string in_snapshot(const ActiveSnapshot& snapshot,
                        const std::function<std::string(const fs::path&)>& body) {
    return text_from_child([&] {
        Pipe pipe = make_pipe();
        const int status = in_mount_namespace([&] {
            const TempDir target("drydock-test");
            MountSpec spec = snapshot.overlay;
            spec.target = target.path();
            mount_fs(spec);
            const std::string text = body(target.path());
            write_all(pipe.write.get(), text, "pipe");
            ::umount2(target.path().c_str(), MNT_DETACH);
            return 0;
        });
        pipe.write.close();
        return status == 0 ? read_all(pipe.read.get(), 1U << 20U, "pipe")
                           : fmt::format("exit status {}", status);
    });
}

std::string names_below(const fs::path& root) {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
        names.push_back(entry.path().lexically_relative(root).native());
    }
    std::sort(names.begin(), names.end());
    return fmt::format("{}", fmt::join(names, " "));
}

bool has_nothing_unfinished(const fs::path& snapshots) {
    return fs::is_empty(snapshots / "tmp") && fs::is_empty(snapshots / "trash");
}

}  // namespace

TEST_CASE("a layer is unpacked while its archive is still being written", "[04][snapshotter]") {
    Stores at;
    const std::string archive = tar_of({file("a", std::string(600'000, 'a')), file("b", "b")});
    const std::string blob = gzip_of(archive) + gzip_of("");
    Ingest ingest = at.blobs.begin("growing");
    const UniqueFd reader = ingest.reader();
    std::size_t written = 0;
    int waits = 0;
    const auto more = [&](std::uint64_t read) {
        CHECK(read == written);
        ++waits;
        const std::size_t count = std::min<std::size_t>(100, blob.size() - written);
        ingest.write(std::string_view(blob).substr(written, count));
        written += count;
        return count != 0;
    };
    const Digest chain = at.snapshots.commit_layer(
        {.fd = reader.get(), .name = "growing", .more = more}, {}, digest_of(archive));
    CHECK(waits > 5);
    CHECK(names_below(at.snapshots.layer_directory(chain)) == "a b");
    CHECK(ingest.commit() == digest_of(blob));
}

TEST_CASE("a layer whose archive breaks off while it is unpacked is not there",
          "[04][snapshotter]") {
    Stores at;
    const std::string archive = tar_of({file("a"), file("b")});
    Ingest ingest = at.blobs.begin();
    const UniqueFd reader = ingest.reader();
    ingest.write(archive);  // all of it, but nobody has said so
    const auto more = [](std::uint64_t) -> bool { throw InputError("the digest is another one"); };
    CHECK_THROWS_WITH(at.snapshots.commit_layer({.fd = reader.get(), .name = "x", .more = more}, {},
                                                digest_of(archive)),
                      "the digest is another one");
    CHECK(at.snapshots.list().empty());
    CHECK(has_nothing_unfinished(at.dir.path() / "snapshots"));
}

TEST_CASE("Snapshotter: an overlay shows the layers as one tree, whiteouts applied",
          "[04][snapshotter]") {
    Stores stores;
    stores.add({directory("etc/"), file("etc/a", "lower"), file("etc/b"), directory("old/"),
                file("old/x"), directory("var/"), file("var/1"), file("var/2")});
    stores.add({file("etc/a", "upper"), file("etc/.wh.b", ""), file(".wh.old", ""),
                directory("var/"), file("var/.wh..wh..opq", ""), file("var/3")});
    const ActiveSnapshot snapshot = stores.snapshots.prepare("c1", stores.chains);
    CHECK(in_snapshot(snapshot, names_below) == "etc etc/a var var/3");
    CHECK(in_snapshot(snapshot, [](const fs::path& root) { return read_file(root / "etc/a"); }) ==
          "upper");
}

TEST_CASE("Snapshotter: changes go to the upper directory, lower bytes stay", "[04][snapshotter]") {
    Stores stores;
    stores.add(
        {directory("etc/"), file("etc/a", "lower"), file("etc/b"), hard_link("etc/c", "etc/b")});
    const fs::path layer = stores.snapshots.layer_directory(stores.chains[0]);
    const auto before = fingerprint(layer);
    const ActiveSnapshot snapshot = stores.snapshots.prepare("c1", stores.chains);
    CHECK(in_snapshot(snapshot, [](const fs::path& root) {
              std::ofstream(root / "etc/a") << "changed";
              std::ofstream(root / "etc/c", std::ios::app) << "changed";
              fs::remove(root / "etc/b");
              fs::create_directory(root / "new");
              return names_below(root);
          }) == "etc etc/a etc/c new");
    CHECK(fingerprint(layer) == before);
    CHECK(read_file(snapshot.upper / "etc/a") == "changed");
}

TEST_CASE("Snapshotter: what was changed becomes a layer that another store unpacks to the same",
          "[04][snapshotter]") {
    Stores stores;
    stores.add({directory("etc/"), file("etc/a"), file("etc/b"), directory("d/"), file("d/1"),
                file("d/2")});
    const ActiveSnapshot snapshot = stores.snapshots.prepare("build", stores.chains);
    const auto change = [](const fs::path& root) {
        fs::remove(root / "etc/a");
        fs::remove_all(root / "d");
        fs::create_directory(root / "d");
        std::ofstream(root / "d/3") << "new";
        std::ofstream(root / "etc/c") << "new";
        fs::create_hard_link(root / "etc/c", root / "etc/c2");
        return names_below(root);
    };
    const std::string names = in_snapshot(snapshot, change);
    CHECK(names == "d d/3 etc etc/b etc/c etc/c2");
    const LayerBlob layer =
        create_layer(stores.blobs, open_file(snapshot.upper, O_RDONLY | O_DIRECTORY).get());
    const Digest chain = stores.snapshots.commit("build", layer.diff_id);
    CHECK(chain == chain_id(stores.chains[0], layer.diff_id));
    CHECK(stores.snapshots.list_active().empty());
    CHECK(has_nothing_unfinished(stores.dir.path() / "snapshots"));

    Snapshotter other(stores.dir.path() / "other");
    const std::vector<Digest> below{other.commit_layer(stores.blobs, {},
                                                       stores.blobs.list().front() == layer.digest
                                                           ? stores.blobs.list().back()
                                                           : stores.blobs.list().front(),
                                                       stores.chains[0])};
    const std::vector<Digest> both{
        below[0], other.commit_layer(stores.blobs, below, layer.digest, layer.diff_id)};
    CHECK(both[1] == chain);
    CHECK(in_snapshot(other.prepare("again", both), names_below) == names);
    CHECK(in_snapshot(stores.snapshots.prepare("again", both), names_below) == names);
}

TEST_CASE("Snapshotter: forty layers fit into one mount", "[04][snapshotter]") {
    Stores stores;
    for (int i = 0; i < 40; ++i) {
        stores.add({file(fmt::format("f{:02}", i)), file("last", std::to_string(i))});
    }
    const ActiveSnapshot snapshot = stores.snapshots.prepare(std::string(64, 'c'), stores.chains);
    CHECK(in_snapshot(snapshot, [](const fs::path& root) {
              return read_file(root / "last") + " " + read_file(root / "f00");
          }) == "39 x");
}

TEST_CASE("Snapshotter: without layers there is an empty root", "[04][snapshotter]") {
    Stores stores;
    const ActiveSnapshot snapshot = stores.snapshots.prepare("scratch", {});
    CHECK(in_snapshot(snapshot, [](const fs::path& root) {
              std::ofstream(root / "x") << "";
              return names_below(root);
          }) == "x");
}

TEST_CASE("Snapshotter: a directory that a layer only passes through looks as below",
          "[04][snapshotter]") {
    Stores stores;
    Member tmp = directory("tmp/", 01777);
    tmp.entry.uid = 7;
    stores.add({directory("./", 0711), tmp});
    stores.add({file("tmp/x")});
    const ActiveSnapshot snapshot = stores.snapshots.prepare("c", stores.chains);
    CHECK(in_snapshot(snapshot, [](const fs::path& root) {
              struct stat tmp_status{};
              struct stat root_status{};
              ::stat((root / "tmp").c_str(), &tmp_status);
              ::stat(root.c_str(), &root_status);
              return fmt::format("{:o} {} {}, {:o}", tmp_status.st_mode, tmp_status.st_uid,
                                 tmp_status.st_mtim.tv_sec, root_status.st_mode);
          }) == "41777 7 1600000000, 40711");
}

TEST_CASE("Snapshotter: a blob that unpacks to something else leaves nothing",
          "[04][snapshotter]") {
    Stores stores;
    const Digest blob = stores.blobs.put(gzip_of(tar_of({file("a")})));
    const Digest wrong = digest_of("wrong");
    CHECK_THROWS_WITH(stores.snapshots.commit_layer(stores.blobs, {}, blob, wrong),
                      ContainsSubstring(blob.text()) &&
                          ContainsSubstring("the image's config says " + wrong.text()));
    const Digest hostile = stores.blobs.put(tar_of({file("../a")}));
    CHECK_THROWS_AS(stores.snapshots.commit_layer(stores.blobs, {}, hostile, hostile), InputError);
    CHECK(stores.snapshots.list().empty());
    CHECK(fs::is_empty(stores.dir.path() / "snapshots/l"));
    CHECK(has_nothing_unfinished(stores.dir.path() / "snapshots"));
}

TEST_CASE("Snapshotter: many may unpack the same layers at once", "[04][snapshotter]") {
    Stores stores;
    const std::string archive = tar_of({file("a", std::string(200'000, 'a')), file("b")});
    const Digest blob = stores.blobs.put(archive);
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 6; ++i) {
            threads.emplace_back(
                [&] { stores.snapshots.commit_layer(stores.blobs, {}, blob, blob); });
        }
    }
    CHECK(stores.snapshots.list() == std::vector<Digest>{blob});
    CHECK(names_below(stores.snapshots.layer_directory(blob)) == "a b");
    const fs::path layers = stores.dir.path() / "snapshots/l";
    CHECK(std::distance(fs::directory_iterator(layers), {}) == 1);
    CHECK(has_nothing_unfinished(stores.dir.path() / "snapshots"));
}

TEST_CASE("Snapshotter: what is removed is gone, and a key is taken once", "[04][snapshotter]") {
    Stores stores;
    stores.add({file("a")});
    stores.snapshots.prepare("c1", stores.chains);
    CHECK_THROWS_WITH(stores.snapshots.prepare("c1", stores.chains),
                      ContainsSubstring("snapshot c1: is there already"));
    CHECK(stores.snapshots.active("c1").overlay.data ==
          Snapshotter(stores.dir.path() / "snapshots").active("c1").overlay.data);
    stores.snapshots.remove("c1");
    stores.snapshots.remove("c1");
    CHECK_THROWS_WITH(stores.snapshots.active("c1"), ContainsSubstring("snapshot c1: not in"));
    stores.snapshots.remove_layer(stores.chains[0]);
    CHECK_FALSE(stores.snapshots.contains(stores.chains[0]));
    CHECK_THROWS_AS(stores.snapshots.prepare("c2", stores.chains), InputError);
    CHECK(fs::is_empty(stores.dir.path() / "snapshots/l"));
    CHECK(fs::is_empty(stores.dir.path() / "snapshots/active"));
    CHECK(has_nothing_unfinished(stores.dir.path() / "snapshots"));
    for (const std::string bad : {"", "..", "a/b", ".hidden", "-x", "a\nb"}) {
        CHECK_THROWS_AS(stores.snapshots.prepare(bad, {}), InputError);
        CHECK_THROWS_AS(stores.snapshots.remove(bad), InputError);
    }
}

TEST_CASE("Snapshotter: roots that no archive names have mode 0755 under any umask",
          "[04][snapshotter][umask]") {
    Stores stores;
    const mode_t before = ::umask(077);
    stores.add({file("f")});
    const ActiveSnapshot empty = stores.snapshots.prepare("empty", {});
    const ActiveSnapshot over = stores.snapshots.prepare("over", stores.chains);
    ::umask(before);
    const auto mode_of = [](const fs::path& path) { return fs::status(path).permissions(); };
    CHECK(mode_of(stores.snapshots.layer_directory(stores.chains[0])) == fs::perms(0755));
    CHECK(mode_of(empty.upper) == fs::perms(0755));
    CHECK(mode_of(over.upper) == fs::perms(0755));
}

TEST_CASE("Snapshotter: a stack of 200 layers is mounted, and its top wins", "[04][snapshotter]") {
    Stores stores;
    for (int i = 0; i < 200; ++i) {
        stores.add({file("f" + std::to_string(i)), file("top", std::to_string(i))});
    }
    const ActiveSnapshot snapshot = stores.snapshots.prepare("many", stores.chains);
    CHECK(snapshot.overlay.data.size() > 4096);
    CHECK(in_snapshot(snapshot, [](const fs::path& root) {
              std::ofstream(root / "new") << "x";
              return read_file(root / "top") + (fs::exists(root / "f0") ? " f0" : "");
          }) == "199 f0");
    CHECK(fs::exists(snapshot.upper / "new"));
}

TEST_CASE("overlay_mount: refuses what overlay would misread, and more than it takes",
          "[04][overlay]") {
    CHECK_THROWS_WITH(overlay_mount({.lowers = {"/a:b"}}), ContainsSubstring("/a:b"));
    CHECK_THROWS_AS(overlay_mount({.lowers = {"/a"}, .upper = "/a,b", .work = "/w"}), InputError);
    const std::vector<fs::path> many(501, "/var/lib/somewhere");
    CHECK_THROWS_WITH(overlay_mount({.lowers = many}), ContainsSubstring("501 layers"));
}
