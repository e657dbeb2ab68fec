#include "06-registry/progress_display.hpp"

#include <fcntl.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

#include "testing/catch.hpp"

using namespace drydock;

namespace {

/// What a display of that width writes for these.
std::string shown(unsigned columns, const std::vector<Progress>& lines) {
    Pipe pipe = make_pipe();
    ProgressDisplay display(pipe.write.get(), columns);
    for (const Progress& line : lines) {
        display.show(line);
    }
    pipe.write.close();
    return read_all(pipe.read.get(), std::size_t{1} << 16U, "pipe");
}

}  // namespace

TEST_CASE("progress_bar: bar, bytes, speed and time left, as far as there is room",
          "[06][progress]") {
    CHECK(progress_bar(0, 100, 0, 80).empty());
    CHECK(progress_bar(5'000'000, 0, 0, 80) == "5MB");
    CHECK(progress_bar(50, 100, 0, 80) == "[===============>               ] 50B/100B");
    CHECK(progress_bar(25'000'000, 100'000'000, 5e6, 80) ==
          "[=======>                       ] 25MB/100MB 5MB/s 15s");
    CHECK(progress_bar(1, 1'000'000'000, 1e6, 80).ends_with(" 1B/1GB 1MB/s 16m40s"));
    CHECK(progress_bar(25'000'000, 100'000'000, 5e6, 18) == "25MB/100MB 5MB/s");
    CHECK(progress_bar(25'000'000, 100'000'000, 5e6, 12) == "25MB/100MB");
    CHECK(progress_bar(25'000'000, 100'000'000, 5e6, 5).empty());
    CHECK(progress_bar(200, 100, 1, 80).ends_with("100B/100B"));
    for (unsigned columns = 0; columns < 90; ++columns) {
        CHECK(progress_bar(25'000'000, 100'000'000, 5e6, columns).size() <= columns);
    }
}

TEST_CASE("ProgressDisplay: a layer's line changes where it is, and never wraps",
          "[06][progress]") {
    const std::string text = shown(20, {{.id = "1", .status = "Pulling from a/b"},
                                        {.id = "aaaa", .status = "Waiting"},
                                        {.id = "bbbb", .status = "Waiting"},
                                        {.id = "aaaa", .status = "Verifying Checksum"}});
    CHECK(text ==
          "1: Pulling from a/b\naaaa: Waiting\nbbbb: Waiting\n"
          "\x1b[2A\r\x1b[2Kaaaa: Verifying Che\x1b[2B\r");
}

TEST_CASE("ProgressDisplay: no terminal gets a line for what lasts", "[06][progress]") {
    CHECK(shown(0, {{.id = "1", .status = "Pulling from a"},
                    {.id = "x", .status = "Pulling fs layer"},
                    {.id = "x", .status = "Downloading", .current = 1, .total = 2},
                    {.id = "x", .status = "Download complete"},
                    {.id = "x", .status = "Pull complete"},
                    {.status = "Status: fine"}}) ==
          "1: Pulling from a\nx: Pulling fs layer\nx: Pull complete\nStatus: fine\n");
}

TEST_CASE("progress_json: what the API sends", "[06][progress]") {
    CHECK(progress_json({.id = "a", .status = "Downloading", .current = 1, .total = 2}) ==
          R"({"id":"a","progressDetail":{"current":1,"total":2},"status":"Downloading"})");
    CHECK(progress_json({.status = "s"}) == R"({"status":"s"})");
}
