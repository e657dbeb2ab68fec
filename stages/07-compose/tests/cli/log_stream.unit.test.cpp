#include "07-compose/cli/log_stream.hpp"

#include <string>
#include <vector>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using namespace drydock::cli;

TEST_CASE("Demultiplexer: frames are taken apart, however the bytes come", "[07][cli][logs]") {
    using namespace std::string_literals;
    const std::string bytes =
        "\x01\0\0\0\0\0\0\x04"
        "out\n"s +
        "\x02\0\0\0\0\0\0\x05"
        "error"s +
        "\x01\0\0\0\0\0\0\0"s + "\x01\0\0\0\0\0\x01\x00"s + std::string(256, 'x');
    for (const std::size_t piece : {1U, 3U, 9U, 1000U}) {
        std::string out;
        std::string err;
        Demultiplexer demultiplexer([&](Output output, std::string_view text) {
            (output == Output::Stdout ? out : err) += text;
        });
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            demultiplexer.feed(std::string_view(bytes).substr(at, piece));
        }
        CHECK(out == "out\n" + std::string(256, 'x'));
        CHECK(err == "error");
    }
}

TEST_CASE("Demultiplexer: a frame of an unknown type is refused", "[07][cli][logs]") {
    Demultiplexer demultiplexer([](Output, std::string_view) {});
    CHECK_THROWS_AS(demultiplexer.feed("not framed"), drydock::InputError);
}

TEST_CASE("LineSplitter: gives whole lines, and the last without its end", "[07][cli][logs]") {
    std::vector<std::string> lines;
    LineSplitter splitter([&](std::string_view line) { lines.emplace_back(line); });
    for (const char* piece : {"on", "e\ntw", "o\n\n", "three"}) {
        splitter.feed(piece);
    }
    CHECK(lines == std::vector<std::string>{"one\n", "two\n", "\n"});
    splitter.flush();
    splitter.flush();
    CHECK(lines.back() == "three");
    CHECK(lines.size() == 4);
}
