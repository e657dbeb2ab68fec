#include "07-compose/engine/time_text.hpp"

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

namespace {

using namespace std::chrono_literals;
using drydock::duration_in_words;
using drydock::parse_time;

TEST_CASE("Time: what to_text writes parse_time reads, to the nanosecond", "[07][time]") {
    const auto time = parse_time("2026-02-28T23:59:59.000000001Z");
    REQUIRE(time);
    CHECK(drydock::to_text(time) == "2026-02-28T23:59:59.000000001Z");
    CHECK(drydock::to_text(parse_time("2026-03-01T01:00:00.5+01:00")) ==
          "2026-03-01T00:00:00.500000000Z");
    CHECK(drydock::to_text(std::nullopt) == "0001-01-01T00:00:00Z");
}

TEST_CASE("Time: Go's zero time and what is no time are nothing", "[07][time]") {
    for (const char* text :
         {"0001-01-01T00:00:00Z", "", "2026-02-30T00:00:00Z", "2026-01-01 00:00:00Z",
          "2026-01-01T00:00:00", "2026-01-01T00:00:00+0100"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_time(text));
    }
}

TEST_CASE("Time: a query parameter is seconds with a fraction, or RFC 3339", "[07][time]") {
    CHECK(drydock::parse_query_time("1700000000.000000001").time_since_epoch() ==
          1700000000s + 1ns);
    CHECK(drydock::parse_query_time("1970-01-01T00:00:02Z").time_since_epoch() == 2s);
    CHECK(drydock::now() - drydock::parse_query_time("1h30m") < 91min);
    CHECK(drydock::now() - drydock::parse_query_time("1h30m") >= 90min);
    for (const char* wrong : {"yesterday", "", "1x", "h", "-1h", "1h30"}) {
        CHECK_THROWS_AS(drydock::parse_query_time(wrong), drydock::InputError);
    }
}

TEST_CASE("Time: durations read as docker's", "[07][time]") {
    CHECK(duration_in_words(500ms) == "Less than a second");
    CHECK(duration_in_words(1s) == "1 second");
    CHECK(duration_in_words(59s) == "59 seconds");
    CHECK(duration_in_words(80s) == "About a minute");
    CHECK(duration_in_words(5min) == "5 minutes");
    CHECK(duration_in_words(62min) == "About an hour");
    CHECK(duration_in_words(47h) == "47 hours");
    CHECK(duration_in_words(24h * 3) == "3 days");
    CHECK(duration_in_words(24h * 21) == "3 weeks");
    CHECK(duration_in_words(24h * 90) == "3 months");
    CHECK(duration_in_words(24h * 800) == "2 years");
}

}  // namespace
