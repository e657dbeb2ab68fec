#include "01-chroot/printable.hpp"

#include "testing/catch.hpp"

using drydock::printable;

TEST_CASE("printable: what a terminal would obey is written out", "[01][printable]") {
    CHECK(printable("\x1b]52;c;aGk=\x07") == "\\x1b]52;c;aGk=\\x07");
    CHECK(printable("a\rb\x08 \x7f") == "a\\x0db\\x08 \\x7f");
    CHECK(printable("\xc2\x9b"
                    "31m") == "\\x9b31m");
    CHECK(printable(std::string_view("\0", 1)) == "\\x00");
}

TEST_CASE("printable: other text stays as it is", "[01][printable]") {
    CHECK(printable("") == "");
    CHECK(printable("a\tb") == "a\tb");
    CHECK(printable("H\xc3\xa4user \xe2\x86\x92 \xc2\xb5s \xff") ==
          "H\xc3\xa4user \xe2\x86\x92 \xc2\xb5s \xff");
}

TEST_CASE("printable: lines stay lines where that is asked for", "[01][printable]") {
    CHECK(printable("a\nb") == "a\\x0ab");
    CHECK(printable("a\nb\n", true) == "a\nb\n");
}
