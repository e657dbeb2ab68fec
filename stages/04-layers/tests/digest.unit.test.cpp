#include "04-layers/digest.hpp"

#include "01-chroot/error.hpp"
#include "04-layers/chain_id.hpp"

#include "testing/catch.hpp"

using drydock::Digest;
using drydock::digest_of;
using drydock::parse_digest;
using drydock::testing::ContainsSubstring;

TEST_CASE("digest_of: gives the SHA-256 that FIPS 180 lists", "[04][digest]") {
    CHECK(digest_of("").text() ==
          "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(digest_of("abc").text() ==
          "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").hex() ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("Sha256: does not mind in how many pieces the bytes come", "[04][digest]") {
    drydock::Sha256 hash;
    for (int i = 0; i < 1'000'000; i += 8) {
        hash.update("aaaaaaaa");
    }
    CHECK(hash.finish().hex() ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("parse_digest: takes what it prints and nothing else", "[04][digest]") {
    const std::string good = digest_of("x").text();
    CHECK(parse_digest(good).text() == good);
    for (const std::string& bad :
         {std::string(), std::string("sha256:"), good.substr(0, 70), good + "0",
          "sha512:" + good.substr(7), "sha256:" + std::string(64, 'A'),
          "sha256:../../../../" + std::string(52, '0'), good + "\n"}) {
        CHECK_THROWS_AS(parse_digest(bad), drydock::InputError);
    }
    CHECK_THROWS_WITH(parse_digest("nonsense", "manifest.json /layers/0/digest"),
                      ContainsSubstring("manifest.json /layers/0/digest: \"nonsense\"") &&
                          ContainsSubstring("expected sha256:"));
}

TEST_CASE("chain_id: of one layer is its DiffID, of more the digest of both names",
          "[04][chain-id]") {
    const std::vector<Digest> diffs{digest_of("a"), digest_of("b"), digest_of("c")};
    const std::vector<Digest> chains = drydock::chain_ids(diffs);
    REQUIRE(chains.size() == 3);
    CHECK(chains[0] == diffs[0]);
    CHECK(chains[1] == digest_of(diffs[0].text() + " " + diffs[1].text()));
    CHECK(chains[2] == digest_of(chains[1].text() + " " + diffs[2].text()));
    CHECK(drydock::chain_id(diffs) == chains[2]);
}
