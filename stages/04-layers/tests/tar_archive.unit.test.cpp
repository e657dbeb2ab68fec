#include <fcntl.h>

#include <fstream>
#include <iterator>

#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/tar_reader.hpp"
#include "04-layers/tar_writer.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "layer_testing.hpp"

using drydock::Digest;
using drydock::digest_of;
using drydock::TarEntry;
using drydock::TarLimits;
using drydock::TarReader;
using drydock::TarWriter;
using drydock::TempDir;
using drydock::UniqueFd;
using namespace drydock::testing;

namespace {

/// Every entry of an archive as TarReader gives it.
std::vector<Member> members_of(const std::string& archive) {
    const UniqueFd fd = file_with(archive);
    TarReader reader(fd.get(), "x.tar");
    std::vector<Member> members;
    while (const TarEntry* entry = reader.next()) {
        members.push_back({.entry = *entry, .bytes = reader.read(std::size_t{1} << 20U)});
    }
    return members;
}

std::string error_of(const std::string& archive, TarLimits limits = {}) {
    try {
        const UniqueFd fd = file_with(archive);
        TarReader reader(fd.get(), "x.tar", limits);
        reader.finish();
        return {};
    } catch (const std::exception& e) {
        return e.what();
    }
}

Digest diff_id_of(const std::string& archive) {
    const UniqueFd fd = file_with(archive);
    return TarReader(fd.get(), "x.tar").finish();
}

/// A header alone, with a size that no bytes follow.
std::string header_of(const std::string& path, std::int64_t size) {
    std::string header;
    TarWriter writer([&](std::span<const std::byte> bytes) {
        header.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    TarEntry entry = file(path).entry;
    entry.size = size;
    writer.begin(entry);
    return header;
}

}  // namespace

TEST_CASE("TarWriter: what it writes TarReader reads", "[04][tar]") {
    Member large = file("large-ids", "12345");
    large.entry.uid = 3'000'000'000;
    large.entry.gid = 2'999'999'999;
    large.entry.mtime = {.tv_sec = 1'700'000'000, .tv_nsec = 123'456'700};
    large.entry.xattrs = {{.name = "security.capability", .value = std::string("\1\0\0\2", 4)},
                          {.name = "user.lines", .value = "a\nb=c"}};
    Member old = file("before-1970");
    old.entry.mtime = {.tv_sec = -5, .tv_nsec = 0};
    const std::string long_name = "d/" + std::string(240, 'n') + "/" + std::string(200, 'm');
    const std::vector<Member> written{directory("d/"),
                                      large,
                                      old,
                                      file("naïve-ü-日本", "ü"),
                                      file(long_name, std::string(70'000, 'y')),
                                      file("exactly" + std::string(93, '1'), std::string(512, 'z')),
                                      file("new\nline"),
                                      symbolic_link("link", std::string(300, 't')),
                                      hard_link("hard", long_name)};
    const std::vector<Member> read = members_of(tar_of(written));
    REQUIRE(read.size() == written.size());
    for (std::size_t i = 0; i < written.size(); ++i) {
        const TarEntry& a = written[i].entry;
        const TarEntry& b = read[i].entry;
        INFO(a.path);
        CHECK(a.path == b.path);
        CHECK(a.type == b.type);
        CHECK(a.link_target == b.link_target);
        CHECK(a.mode == b.mode);
        CHECK(a.uid == b.uid);
        CHECK(a.gid == b.gid);
        CHECK(a.mtime.tv_sec == b.mtime.tv_sec);
        CHECK(a.mtime.tv_nsec == b.mtime.tv_nsec);
        CHECK(a.xattrs == b.xattrs);
        CHECK(written[i].bytes == read[i].bytes);
    }
}

TEST_CASE("TarReader: keeps a name that is no UTF-8 as its bytes", "[04][tar]") {
    const auto read = members_of(tar_of({file("latin-\xe9-1")}));
    REQUIRE(read.size() == 1);
    CHECK(read[0].entry.path == "latin-\xe9-1");
}

TEST_CASE("TarWriter: writes what tar(1) lists", "[04][tar]") {
    const TempDir dir("drydock-test");
    const std::string path = (dir.path() / "a.tar").native();
    const std::string long_name = "d/" + std::string(150, 'l');
    std::ofstream(path, std::ios::binary)
        << tar_of({directory("d/"), file("d/ü"), file(long_name), symbolic_link("d/s", "ü")});
    const Outcome listed = run_program({"tar", "--quoting-style=literal", "-tf", path});
    CHECK(listed.status == 0);
    CHECK(listed.out == "d/\nd/ü\n" + long_name + "\nd/s\n");
    CHECK(listed.err.empty());
}

TEST_CASE("TarReader: the DiffID is of the uncompressed stream, all of it", "[04][tar]") {
    const std::string plain = tar_of({file("a", "1"), file("b", "2")});
    CHECK(diff_id_of(plain) == digest_of(plain));
    CHECK(diff_id_of(gzip_of(plain)) == digest_of(plain));
    // Members of gzip follow one another; what follows the archive's end marker counts too.
    const std::string half = plain.substr(0, plain.size() / 2);
    CHECK(diff_id_of(gzip_of(half) + gzip_of(plain.substr(half.size()))) == digest_of(plain));
    CHECK(diff_id_of(plain + "trailing") == digest_of(plain + "trailing"));
    CHECK(diff_id_of(gzip_of(plain) + gzip_of("hidden")) == digest_of(plain + "hidden"));
}

TEST_CASE("TarReader: reads zstd, xz and bzip2, whole ones only", "[04][tar]") {
    const auto [program, suffix] = GENERATE(
        table<std::string, std::string>({{"zstd", ".zst"}, {"xz", ".xz"}, {"bzip2", ".bz2"}}));
    INFO(program);
    const TempDir dir("drydock-test");
    const std::string plain = tar_of({file("a", std::string(100'000, 'a'))});
    const std::string path = (dir.path() / "a.tar").native();
    std::ofstream(path, std::ios::binary) << plain;
    if (!installed_or_skipped(program)) {
        return;
    }
    REQUIRE(run_program({program, "-q", "-k", path}).status == 0);
    std::ifstream in(path + suffix, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    CHECK(diff_id_of(bytes) == digest_of(plain));
    CHECK_THAT(error_of(bytes.substr(0, bytes.size() - 6)),
               ContainsSubstring("x.tar: damaged at byte"));
    std::string flipped = bytes;
    flipped[bytes.size() / 2] ^= 1;
    CHECK_THAT(error_of(flipped), ContainsSubstring("x.tar: damaged at byte"));
}

TEST_CASE("TarReader: a damaged stream is an error that says where", "[04][tar]") {
    const std::string plain = tar_of({file("a", std::string(50'000, 'q')), file("b", "2")});
    const std::string gzip = gzip_of(plain);
    CHECK_THAT(error_of(gzip.substr(0, gzip.size() - 9)),
               ContainsSubstring("gzip: the file ends too early"));
    std::string bad_crc = gzip;
    bad_crc[gzip.size() - 6] ^= 1;
    CHECK_THAT(error_of(bad_crc), ContainsSubstring("x.tar: damaged at byte") &&
                                      ContainsSubstring("gzip: incorrect data check"));
    CHECK_THAT(error_of(gzip + "garbage"), ContainsSubstring("gzip: incorrect header check"));
    CHECK_THAT(error_of(plain.substr(0, 30'000)), ContainsSubstring("x.tar: entry 1 \"a\""));
    CHECK_THAT(error_of("no archive at all"), ContainsSubstring("x.tar: not a valid tar archive"));
    CHECK_THAT(error_of(""), ContainsSubstring("x.tar: not a valid tar archive"));
    std::string bad_sum = plain;
    bad_sum[512 + 50'176 + 20] = 'x';
    CHECK_THAT(error_of(bad_sum), ContainsSubstring("x.tar: entry 1 \"a\""));
    CHECK_THAT(error_of("BZh91AY&SY"), ContainsSubstring("x.tar: "));
    CHECK_THAT(error_of("\xFD\x37zXZ"), ContainsSubstring("x.tar: "));
}

TEST_CASE("TarReader: stops at each limit", "[04][tar]") {
    const std::string archive =
        tar_of({file("a", std::string(5000, 'q')), file("d/e/f/g"), file("c")});
    CHECK(error_of(archive).empty());
    CHECK_THAT(error_of(archive, {.bytes = 4000}), ContainsSubstring("4000"));
    CHECK_THAT(error_of(archive, {.entries = 2}),
               ContainsSubstring("entry 3 \"c\": more than the limit of 2 entries"));
    CHECK_THAT(error_of(archive, {.depth = 2}), ContainsSubstring("limit of 2 parts"));
    CHECK_THAT(error_of(header_of("huge", std::int64_t{1} << 60U)),
               ContainsSubstring("entry 1 \"huge\": 1152921504606846976 bytes"));
}

TEST_CASE("TarReader: a bomb is stopped by its ratio, before the disk is full", "[04][tar]") {
    // Two GiB of zeros, as members of gzip that repeat.
    std::string bomb = gzip_of(header_of("zeros", std::int64_t{2} << 30U));
    const std::string zeros = gzip_of(std::string(std::size_t{64} << 20U, '\0'));
    for (int i = 0; i < 32; ++i) {
        bomb += zeros;
    }
    CHECK_THAT(error_of(bomb), ContainsSubstring("more than 250 times its size"));
}
