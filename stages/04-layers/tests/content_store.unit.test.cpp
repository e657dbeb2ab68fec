#include "04-layers/content_store.hpp"

#include <fstream>
#include <thread>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

namespace fs = std::filesystem;
using drydock::ContentStore;
using drydock::Digest;
using drydock::digest_of;
using drydock::Ingest;
using drydock::InputError;
using drydock::testing::ContainsSubstring;

namespace {

bool has_no_unfinished_blob(const fs::path& root) {
    return fs::is_empty(root / "tmp");
}

}  // namespace

TEST_CASE("ContentStore: a new one is an OCI image layout", "[04][content-store]") {
    const drydock::TempDir dir("drydock-test");
    const fs::path root = dir.path() / "deep/store";
    const ContentStore store(root);
    CHECK(drydock::read_file(root / "oci-layout") == R"({"imageLayoutVersion":"1.0.0"})");
    CHECK_THAT(store.read_index(), ContainsSubstring(R"("manifests":[])"));
    CHECK(fs::is_directory(root / "blobs/sha256"));
    CHECK(store.list().empty());
}

TEST_CASE("ContentStore: a blob is under its digest, and only once it is committed",
          "[04][content-store]") {
    const drydock::TempDir dir("drydock-test");
    const ContentStore store(dir.path());
    const Digest digest = digest_of("hello world");
    {
        Ingest ingest = store.begin();
        ingest.write("hello ");
        ingest.write("world");
        CHECK(ingest.size() == 11);
        CHECK_FALSE(store.contains(digest));
        CHECK(ingest.commit(digest, 11) == digest);
    }
    CHECK(store.contains(digest));
    CHECK(store.read(digest) == "hello world");
    CHECK(store.size(digest) == 11);
    CHECK(drydock::read_file(dir.path() / "blobs/sha256" / digest.hex()) == "hello world");
    CHECK(store.list() == std::vector<Digest>{digest});
    CHECK(has_no_unfinished_blob(dir.path()));
    store.remove(digest);
    CHECK_FALSE(store.contains(digest));
    CHECK_NOTHROW(store.remove(digest));
    CHECK_THROWS_AS(store.open(digest), InputError);
}

TEST_CASE("ContentStore: a blob with the wrong digest or size is refused and gone",
          "[04][content-store]") {
    const drydock::TempDir dir("drydock-test");
    const ContentStore store(dir.path());
    const auto commit = [&](const std::string& bytes, const Digest& digest, std::uint64_t size) {
        Ingest ingest = store.begin();
        ingest.write(bytes);
        ingest.commit(digest, size);
    };
    CHECK_THROWS_WITH(commit("jello", digest_of("hello"), 5),
                      ContainsSubstring(digest_of("jello").text()));
    CHECK_THROWS_WITH(commit("hell", digest_of("hello"), 5),
                      ContainsSubstring("has 4 bytes; its descriptor says 5"));
    CHECK_THROWS_AS(commit("hello!", digest_of("hello"), 5), InputError);
    CHECK(store.list().empty());
    CHECK(has_no_unfinished_blob(dir.path()));
}

TEST_CASE("Ingest: is discarded when it is not committed", "[04][content-store]") {
    const drydock::TempDir dir("drydock-test");
    const ContentStore store(dir.path());
    {
        Ingest ingest = store.begin();
        ingest.write("half of it");
        Ingest moved = std::move(ingest);
        moved.write(", and more");
        CHECK_FALSE(has_no_unfinished_blob(dir.path()));
    }
    CHECK(has_no_unfinished_blob(dir.path()));
    CHECK(store.list().empty());
}

TEST_CASE("Ingest: takes no byte more than the limit", "[04][content-store]") {
    const drydock::TempDir dir("drydock-test");
    const ContentStore store(dir.path());
    Ingest ingest = store.begin();
    ingest.limit(8);
    ingest.write("12345678");
    CHECK_THROWS_WITH(ingest.write("9"), ContainsSubstring("larger than the 8 bytes"));
}

TEST_CASE("ContentStore: many at once may bring the same blob", "[04][content-store]") {
    const drydock::TempDir dir("drydock-test");
    const ContentStore store(dir.path());
    const std::string bytes(300'000, 'b');
    std::vector<Digest> digests(8);
    {
        std::vector<std::jthread> threads;
        for (Digest& digest : digests) {
            threads.emplace_back([&store, &bytes, &digest] {
                Ingest ingest = store.begin();
                ingest.write(bytes);
                digest = ingest.commit(digest_of(bytes), bytes.size());
            });
        }
    }
    CHECK(digests == std::vector<Digest>(8, digest_of(bytes)));
    CHECK(store.list() == std::vector<Digest>{digest_of(bytes)});
    CHECK(store.read(digest_of(bytes)) == bytes);
    CHECK(has_no_unfinished_blob(dir.path()));
}

TEST_CASE("ContentStore: says when a blob is damaged, missing or too large",
          "[04][content-store]") {
    const drydock::TempDir dir("drydock-test");
    const ContentStore store(dir.path());
    const Digest digest = store.put("hello");
    CHECK(store.verify(digest));
    CHECK_THROWS_WITH(store.read(digest, 4), ContainsSubstring("larger than 4 bytes"));
    std::ofstream(store.path_of(digest)) << "jello";
    CHECK_FALSE(store.verify(digest));
    CHECK_THROWS_WITH(store.read(digest),
                      ContainsSubstring(std::string(digest.hex())) && ContainsSubstring("damaged"));
    CHECK_THROWS_WITH(store.read(digest_of("other")),
                      ContainsSubstring("not in the content store"));
}

TEST_CASE("ContentStore: index.json is replaced whole", "[04][content-store]") {
    const drydock::TempDir dir("drydock-test");
    const ContentStore store(dir.path());
    store.replace_index(R"({"schemaVersion":2,"manifests":[{}]})");
    CHECK(ContentStore(dir.path()).read_index() == R"({"schemaVersion":2,"manifests":[{}]})");
}

TEST_CASE("ContentStore: a file in the way is named", "[04][content-store]") {
    const drydock::TempDir dir("drydock-test");
    std::ofstream(dir.path() / "blobs") << "";
    CHECK_THROWS_WITH(ContentStore(dir.path()), ContainsSubstring("blobs"));
    CHECK_THROWS_WITH(ContentStore(dir.path() / "blobs"), ContainsSubstring("not a directory"));
}
