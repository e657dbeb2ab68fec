#include "07-compose/engine/names.hpp"

#include <csignal>
#include <set>
#include <string>

#include "01-chroot/error.hpp"
#include "07-compose/engine/signal_name.hpp"

#include "testing/catch.hpp"

namespace {

TEST_CASE("names: a generated one is two words and passes its own check", "[07][names]") {
    const std::string name = drydock::new_container_name([](const std::string&) { return false; });
    CHECK(name.find('_') != std::string::npos);
    CHECK(drydock::checked_container_name(name) == name);
}

TEST_CASE("names: a generated one that is taken gets a number", "[07][names]") {
    int asked = 0;
    const std::string name =
        drydock::new_container_name([&](const std::string&) { return ++asked == 1; });
    CHECK(std::string("0123456789").find(name.back()) != std::string::npos);
}

TEST_CASE("names: a generated one is another one each time", "[07][names]") {
    std::set<std::string> names;
    for (int i = 0; i < 100; ++i) {  // of 2304
        names.insert(drydock::new_container_name([](const std::string&) { return false; }));
    }
    CHECK(names.size() > 50);
}

TEST_CASE("names: a leading slash is not part of one", "[07][names]") {
    CHECK(drydock::checked_container_name("/web.1-a_b") == "web.1-a_b");
}

TEST_CASE("names: others are refused in docker's words", "[07][names]") {
    for (const char* name : {"q", "", "-a", "a b", "a/b", "ä1", "a\n"}) {
        CAPTURE(name);
        CHECK_THROWS_AS(drydock::checked_container_name(name), drydock::InputError);
    }
    CHECK_THROWS_WITH(
        drydock::checked_container_name("q"),
        drydock::testing::ContainsSubstring(
            "Invalid container name (q), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
}

TEST_CASE("signals: name with and without SIG, in any case, and number are one", "[07][signals]") {
    for (const char* text : {"SIGTERM", "TERM", "term", "15"}) {
        CAPTURE(text);
        CHECK(drydock::parse_signal(text) == SIGTERM);
    }
    for (const char* text : {"", "SIGNONE", "0", "99", "-1", "9x"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(drydock::parse_signal(text), drydock::InputError);
    }
}

}  // namespace
