#include "07-compose/engine/archive.hpp"

#include <sys/stat.h>

#include "07-compose/engine/changes.hpp"

#include "testing/catch.hpp"

TEST_CASE("archive: modes are those of Go", "[07][archive]") {
    CHECK(drydock::go_file_mode(S_IFREG | 0644) == 0644);
    CHECK(drydock::go_file_mode(S_IFDIR | S_ISVTX | 0777) == ((1U << 31U) | (1U << 20U) | 0777U));
    CHECK(drydock::go_file_mode(S_IFLNK | 0777) == ((1U << 27U) | 0777U));
    CHECK(drydock::go_file_mode(S_IFCHR | 0600) == ((1U << 26U) | (1U << 21U) | 0600U));
    CHECK(drydock::go_file_mode(S_IFREG | S_ISUID | 0755) == ((1U << 23U) | 0755U));
}

TEST_CASE("changes: the layers below are read from an overlay's options", "[07][diff]") {
    const auto lowers = drydock::lowers_of({.data = "lowerdir=/l/2:/l/1,upperdir=/u,workdir=/w"});
    REQUIRE(lowers.size() == 2);
    CHECK(lowers[0] == "/l/2");
    CHECK(lowers[1] == "/l/1");
    CHECK(drydock::lowers_of({.data = "upperdir=/u"}).empty());
}
