#include "07-compose/engine/detach_keys.hpp"

#include <string>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using drydock::parse_detach_keys;

TEST_CASE("parse_detach_keys: reads what docker's --detach-keys takes", "[07][attach]") {
    CHECK(parse_detach_keys("") == "\x10\x11");
    CHECK(parse_detach_keys("ctrl-p,ctrl-q") == "\x10\x11");
    CHECK(parse_detach_keys("a,ctrl-[,Z") == "a\x1bZ");
    CHECK(parse_detach_keys("ctrl-@") == std::string(1, '\0'));
}

TEST_CASE("parse_detach_keys: what is no key is named", "[07][attach]") {
    for (const char* wrong :
         {"ctrl-", "ctrl-1", "ab", "a,,b", ",", "ctrl-A", "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"}) {
        CHECK_THROWS_AS(parse_detach_keys(wrong), drydock::InputError);
    }
}
