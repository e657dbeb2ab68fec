#include "07-compose/api/rootless.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::IdMaps;
using drydock::rootless_id_maps;

TEST_CASE("rootless: the first range of the user, by name or number", "[07][rootless]") {
    const char* text = "root:1:2\nshop:100000:65536\nshop:900000:1\n1001:300000:70000\n";
    const IdMaps by_name = rootless_id_maps(text, text, "shop", 1000, 1000);
    REQUIRE(by_name.uids.size() == 2);
    CHECK(by_name.uids[0].outside == 1000);
    CHECK(by_name.uids[0].count == 1);
    CHECK(by_name.uids[1].inside == 1);
    CHECK(by_name.uids[1].outside == 100000);
    CHECK(by_name.gids[1].count == 65536);
    CHECK(rootless_id_maps(text, text, "", 1001, 7).uids[1].outside == 300000);
}

TEST_CASE("rootless: one ID where there is no range, or no range of groups", "[07][rootless]") {
    for (const char* text : {"", "other:1:2", "shop", "shop:", "shop:x:1", "shop:1:0", "shop:1:x",
                             "shop:-1:10", "shop:1:99999999999"}) {
        INFO(text);
        CHECK(rootless_id_maps(text, "shop:1:1", "shop", 1000, 1000).uids.size() == 1);
        CHECK(rootless_id_maps("shop:1:1", text, "shop", 1000, 1000).gids.size() == 1);
    }
}

}  // namespace
