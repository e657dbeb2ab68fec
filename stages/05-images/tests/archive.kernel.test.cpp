#include "05-images/archive.hpp"

#include <fcntl.h>

#include <fstream>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/tar_reader.hpp"
#include "04-layers/tar_writer.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "store_fixture.hpp"

using namespace drydock;
using drydock::testing::ContainsSubstring;
using drydock::testing::StoreFixture;
namespace fs = std::filesystem;

namespace {

fs::path saved(StoreFixture& f, const std::vector<std::string>& names,
               const std::string& file = "image.tar") {
    const fs::path path = f.directory.path() / file;
    const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    save_images(f.store, names, fd.get());
    return path;
}

std::vector<LoadedImage> load(StoreFixture& f, const fs::path& path) {
    return load_images(f.store, open_file(path, O_RDONLY).get(), "image.tar");
}

struct File {
    TarEntry entry{};
    std::string bytes{};
};

std::vector<File> files_of(const fs::path& path) {
    std::vector<File> result;
    const UniqueFd fd = open_file(path, O_RDONLY);
    TarReader tar(fd.get(), "image.tar");
    while (const TarEntry* entry = tar.next()) {
        File file{.entry = *entry};
        if (entry->type == TarType::File) {
            file.bytes = tar.read(std::size_t{64} << 20U);
        }
        result.push_back(std::move(file));
    }
    return result;
}

void write_files(const fs::path& path, const std::vector<File>& files) {
    std::ofstream out(path, std::ios::binary);
    TarWriter tar([&](std::span<const std::byte> bytes) {
        out.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
    });
    for (File file : files) {
        file.entry.size = static_cast<std::int64_t>(file.bytes.size());
        tar.add(file.entry, file.bytes);
    }
    tar.finish();
}

File& named(std::vector<File>& files, const std::string& path) {
    for (File& file : files) {
        if (file.entry.path == path) {
            return file;
        }
    }
    throw std::runtime_error("not in the archive: " + path);
}

void take_out(std::vector<File>& files, const std::string& path) {
    std::erase_if(files, [&](const File& file) { return file.entry.path == path; });
}

}  // namespace

TEST_CASE("save, load: the same image ID and the same digests in another store", "[05][archive]") {
    StoreFixture a;
    StoreFixture b;
    const Image base = ensure_base_image(a.store);
    a.store.tag(base, parse_reference("127.0.0.1:5000/x:1"));
    const auto loaded = load(b, saved(a, {"drydock/base", "127.0.0.1:5000/x:1"}));
    REQUIRE(loaded.size() == 2);
    CHECK(familiar(*loaded[0].name) == "drydock/base:latest");
    const Image image = b.store.get("127.0.0.1:5000/x:1");
    CHECK(image.id == base.id);
    CHECK(image.manifest.digest == base.manifest.digest);
    CHECK(image.references.size() == 2);
    CHECK(b.store.content().list() == a.store.content().list());
    CHECK(b.store.snapshots().list().size() == 1);
}

TEST_CASE("save, load: an ID travels without a name, a gzipped archive is read too",
          "[05][archive]") {
    StoreFixture a;
    StoreFixture b;
    const Image base = ensure_base_image(a.store);
    const fs::path path = saved(a, {base.id.text()});
    REQUIRE(testing::run_program({"gzip", path.native()}).status == 0);
    const auto loaded = load(b, path.native() + ".gz");
    REQUIRE(loaded.size() == 1);
    CHECK_FALSE(loaded[0].name.has_value());
    CHECK(b.store.get(base.id.text()).references.empty());
}

TEST_CASE("load_images: a docker archive without an index gives the same image ID",
          "[05][archive]") {
    StoreFixture a;
    StoreFixture b;
    const Image base = ensure_base_image(a.store);
    const fs::path path = saved(a, {"drydock/base"});
    std::vector<File> files = files_of(path);
    take_out(files, "index.json");
    take_out(files, "oci-layout");
    // As docker 1.10 to 24 wrote it: names of its own, layers shared by links.
    const std::string layer =
        "blobs/sha256/" + std::string(a.store.manifest(base).layers.at(0).digest.hex());
    named(files, layer).entry.path = "aaa/layer.tar";
    files.push_back({.entry = {.path = "bbb/layer.tar",
                               .type = TarType::Symlink,
                               .link_target = "../aaa/layer.tar",
                               .mode = 0777}});
    files.push_back({.entry = {.path = "aaa/VERSION", .mode = 0644}, .bytes = "1.0"});
    std::string& manifest = named(files, "manifest.json").bytes;
    manifest.replace(manifest.find(layer), layer.size(), "bbb/layer.tar");
    write_files(path, files);
    CHECK(load(b, path).at(0).image.id == base.id);
    CHECK(b.store.content().list().size() == 3);  // what belongs to no image is not kept
}

TEST_CASE("load_images: an OCI layout without docker's documents is read", "[05][archive]") {
    StoreFixture a;
    StoreFixture b;
    const Image base = ensure_base_image(a.store);
    const fs::path path = saved(a, {"drydock/base"});
    std::vector<File> files = files_of(path);
    take_out(files, "manifest.json");
    take_out(files, "repositories");
    write_files(path, files);
    CHECK(load(b, path).at(0).image.manifest.digest == base.manifest.digest);
    CHECK(b.store.find("drydock/base").has_value());
}

TEST_CASE("load_images: a damaged or hostile archive is refused and leaves nothing",
          "[05][archive]") {
    StoreFixture a;
    StoreFixture b;
    const Image base = ensure_base_image(a.store);
    const fs::path path = saved(a, {"drydock/base"});
    std::vector<File> files = files_of(path);
    const std::string layer =
        "blobs/sha256/" + std::string(a.store.manifest(base).layers.at(0).digest.hex());
    const std::string config = "blobs/sha256/" + std::string(base.id.hex());
    const auto [what, error] = GENERATE(table<std::string, std::string>({
        {"flipped byte", "digest"},
        {"flipped byte under another name", ""},
        {"no layer", "image.tar: blob sha256:"},
        {"no config", ""},
        {"no documents", "neither a docker archive nor an OCI layout"},
        {"path out", "a path with \"..\""},
        {"absolute path", "expected a relative path"},
        {"link out", "\"..\""},
        {"config out", "\"..\""},
        {"device", "expected a file, a directory or a link"},
        {"no digest", "blobs/sha256/../../x"},
        {"huge manifest", "manifest.json"},
        {"not JSON", "not JSON"},
        {"duplicate key", "occurs twice"},
        {"bad name", "invalid reference format"},
        {"link loop", "is not in it"},
    }));
    INFO(what);
    if (what == "flipped byte") {
        named(files, layer).bytes[5000] ^= 1;
    } else if (what == "flipped byte under another name") {
        take_out(files, "index.json");
        File& file = named(files, layer);
        file.bytes[5000] ^= 1;
        file.entry.path = "layer.tar";
        std::string& manifest = named(files, "manifest.json").bytes;
        manifest.replace(manifest.find(layer), layer.size(), "layer.tar");
    } else if (what == "no layer") {
        take_out(files, layer);
        take_out(files, "manifest.json");
    } else if (what == "no config") {
        take_out(files, config);
    } else if (what == "no documents") {
        take_out(files, "index.json");
        take_out(files, "manifest.json");
    } else if (what == "path out") {
        files.push_back({.entry = {.path = "a/../../x", .mode = 0644}, .bytes = "x"});
    } else if (what == "absolute path") {
        files.push_back({.entry = {.path = "/etc/x", .mode = 0644}, .bytes = "x"});
    } else if (what == "link out") {
        files.push_back({.entry = {.path = "a/l",
                                   .type = TarType::Symlink,
                                   .link_target = "../../etc/shadow",
                                   .mode = 0777}});
    } else if (what == "config out") {
        take_out(files, "index.json");
        std::string& manifest = named(files, "manifest.json").bytes;
        manifest.replace(manifest.find(config), config.size(), "../../../etc/passwd");
    } else if (what == "device") {
        files.push_back({.entry = {.path = "dev",
                                   .type = TarType::CharDevice,
                                   .mode = 0600,
                                   .device_major = 1,
                                   .device_minor = 3}});
    } else if (what == "no digest") {
        files.push_back({.entry = {.path = "blobs/sha256/../../x", .mode = 0644}, .bytes = "x"});
    } else if (what == "huge manifest") {
        named(files, "manifest.json").bytes.assign(kMaxManifestSize + 1, ' ');
    } else if (what == "not JSON") {
        named(files, "manifest.json").bytes = "[{";
    } else if (what == "duplicate key") {
        named(files, "index.json").bytes = R"({"schemaVersion":2,"manifests":[],"manifests":[]})";
    } else if (what == "bad name") {
        std::string& manifest = named(files, "manifest.json").bytes;
        manifest.replace(manifest.find("drydock/base"), 12, "drydock/BASE");
    } else if (what == "link loop") {
        take_out(files, "index.json");
        files.push_back(
            {.entry = {.path = "l", .type = TarType::Symlink, .link_target = "l", .mode = 0777}});
        std::string& manifest = named(files, "manifest.json").bytes;
        manifest.replace(manifest.find(config), config.size(), "l");
    }
    write_files(path, files);
    const std::string before = b.state();
    CHECK_THROWS_AS(load(b, path), InputError);
    CHECK_THROWS_WITH(load(b, path), ContainsSubstring(error));
    CHECK(b.state() == before);
}

TEST_CASE("load_images: a cut or senseless file is refused and leaves nothing", "[05][archive]") {
    StoreFixture a;
    StoreFixture b;
    ensure_base_image(a.store);
    const fs::path path = saved(a, {"drydock/base"});
    const std::string before = b.state();
    fs::resize_file(path, fs::file_size(path) / 2);
    CHECK_THROWS_AS(load(b, path), InputError);
    testing::write_file(path, std::string(100'000, 'x'));
    CHECK_THROWS_AS(load(b, path), InputError);
    testing::write_file(path, "");
    CHECK_THROWS_AS(load(b, path), InputError);
    CHECK(b.state() == before);
}

TEST_CASE(
    "load_images: an image that is there keeps its blobs when the archive turns out to be bad",
    "[05][archive]") {
    StoreFixture f;
    ensure_base_image(f.store);
    const fs::path path = saved(f, {"drydock/base"});
    std::vector<File> files = files_of(path);
    files.push_back({.entry = {.path = "../x", .mode = 0644}, .bytes = "x"});
    write_files(path, files);
    const std::string before = f.state();
    CHECK_THROWS_AS(load(f, path), InputError);
    CHECK(f.state() == before);
}

TEST_CASE("save_images: skopeo reads the archive as docker's", "[05][archive][peer]") {
    if (!testing::installed_or_skipped("skopeo")) {
        return;
    }
    StoreFixture f;
    ensure_base_image(f.store);
    const testing::Outcome outcome = testing::run_program(
        {"skopeo", "inspect", "--config", "docker-archive:" + saved(f, {"drydock/base"}).native()});
    INFO(outcome.err);
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, ContainsSubstring("diff_ids"));
}
