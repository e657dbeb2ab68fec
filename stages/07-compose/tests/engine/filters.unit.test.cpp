#include "07-compose/engine/filters.hpp"

#include <array>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::parse_filters;
constexpr std::array<std::string_view, 2> kKnown = {"label", "status"};

TEST_CASE("filters: Go's form and docker-py's form say the same", "[07][filters]") {
    const drydock::Filters expected = {{"label", {"a=b"}}};
    CHECK(parse_filters(R"({"label":{"a=b":true}})", kKnown) == expected);
    CHECK(parse_filters(R"({"label":["a=b"]})", kKnown) == expected);
    CHECK(parse_filters(R"({"label":["a=b"],"status":[]})", kKnown) == expected);
    CHECK(parse_filters("", kKnown).empty());
}

TEST_CASE("filters: an unknown key is named", "[07][filters]") {
    CHECK_THROWS_WITH(parse_filters(R"({"colour":["red"]})", kKnown), "Invalid filter 'colour'");
}

TEST_CASE("filters: what is no object of lists is refused", "[07][filters]") {
    for (const char* text : {"[]", "{", "1", R"({"label":"a"})", R"({"label":[1]})"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_filters(text, kKnown), drydock::InputError);
    }
}

TEST_CASE("filters: labels are ANDed", "[07][filters]") {
    const std::map<std::string, std::string> labels = {{"a", "1"}, {"b", "2"}};
    CHECK(drydock::has_labels(labels, {"a", "b=2"}));
    CHECK_FALSE(drydock::has_labels(labels, {"a", "b=3"}));
    CHECK_FALSE(drydock::has_labels(labels, {"c"}));
}

TEST_CASE("query booleans: docker's falsehoods are false, everything else is true",
          "[07][filters]") {
    for (const char* text : {"", "0", "no", "False", "NONE"}) {
        CAPTURE(text);
        CHECK_FALSE(drydock::is_true(text));
    }
    for (const char* text : {"1", "true", "True", "yes", "x"}) {
        CAPTURE(text);
        CHECK(drydock::is_true(text));
    }
}

}  // namespace
