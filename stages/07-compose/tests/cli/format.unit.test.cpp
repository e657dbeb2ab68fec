#include "07-compose/cli/format.hpp"

#include "testing/catch.hpp"

using namespace drydock::cli;

TEST_CASE("printable: what a terminal would obey is shown as bytes", "[07][cli][format]") {
    CHECK(printable("plain, ünïcode, 漢字") == "plain, ünïcode, 漢字");
    CHECK(printable("\x1b[31mred\a\n\t") == "\\x1b[31mred\\x07\\x0a\\x09");
    CHECK(printable("\xc2\x9b"
                    "31m") == "\\xc2\\x9b31m");      // CSI as one C1 control
    CHECK(printable("a\xff\xc3") == "a\\xff\\xc3");  // broken UTF-8
    CHECK(printable("\xe2\x80\xae"
                    "gpj") == "\\xe2\\x80\\xaegpj");  // right-to-left override
}

TEST_CASE("Table: columns are as wide as their widest cell", "[07][cli][format]") {
    Table table({"NAME", "STATUS"});
    table.add({"a-long-name", "Up"});
    table.add({"ü", "\x1b[2J"});
    CHECK(table.text() == "NAME          STATUS\na-long-name   Up\nü             \\x1b[2J\n");
}

TEST_CASE("human_size: as docker prints sizes", "[07][cli][format]") {
    CHECK(human_size(0) == "0B");
    CHECK(human_size(999) == "999B");
    CHECK(human_size(1000) == "1kB");
    CHECK(human_size(4'261'502) == "4.26MB");
    CHECK(human_size(123'000'000'000) == "123GB");
}

TEST_CASE("human_duration: as docker prints ages", "[07][cli][format]") {
    CHECK(human_duration(0) == "Less than a second");
    CHECK(human_duration(1) == "1 second");
    CHECK(human_duration(59) == "59 seconds");
    CHECK(human_duration(60) == "About a minute");
    CHECK(human_duration(120) == "2 minutes");
    CHECK(human_duration(3600) == "About an hour");
    CHECK(human_duration(47 * 3600) == "47 hours");
    CHECK(human_duration(48 * 3600) == "2 days");
    CHECK(human_duration(15 * 86400) == "2 weeks");
    CHECK(human_duration(90 * 86400) == "3 months");
    CHECK(human_duration(800 * 86400) == "2 years");
}

TEST_CASE("short_id, ellipsis: cut by characters", "[07][cli][format]") {
    CHECK(short_id("sha256:0123456789abcdef") == "0123456789ab");
    CHECK(short_id("0123456789abcdef") == "0123456789ab");
    CHECK(ellipsis("short", 5) == "short");
    CHECK(ellipsis("longer", 5) == "long…");
    CHECK(ellipsis("üüüüüü", 5) == "üüüü…");
}

TEST_CASE("nearest: a slip of the finger is found, a stranger is not", "[07][cli][format]") {
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(nearest("rnu", {"run", "rm", "ps"}) == "run");
    CHECK(nearest("enviroment", {"environment", "image"}) == "environment");
    CHECK(nearest("zzzzzz", {"run", "environment"}).empty());
}
