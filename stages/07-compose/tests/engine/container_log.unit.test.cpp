#include "07-compose/engine/container_log.hpp"

#include <fcntl.h>

#include <filesystem>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "03-cgroups/log_file.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::LogReader;

void append(const std::filesystem::path& file, const std::string& text) {
    const drydock::UniqueFd fd = drydock::open_file(file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    drydock::write_all(fd.get(), text, file.native());
}

std::string line(const std::string& text, const char* stream = "stdout") {
    return fmt::format(R"({{"log":"{}\n","stream":"{}","time":"2026-01-02T03:04:05.5Z"}})", text,
                       stream) +
           "\n";
}

std::string all_text(LogReader& reader) {
    std::string text;
    while (const auto one = reader.next()) {
        text += one->text;
    }
    return text;
}

TEST_CASE("LogReader: lines come in order, and later ones when the file grows", "[07][logs]") {
    const drydock::TempDir directory("drydock-log-");
    const auto file = directory.path() / "log";
    LogReader reader(file);
    CHECK_FALSE(reader.next());
    append(file, line("one") + line("two", "stderr").substr(0, 20));
    CHECK(all_text(reader) == "one\n");
    append(file, line("two", "stderr").substr(20));
    const auto two = reader.next();
    REQUIRE(two);
    CHECK(two->stream == "stderr");
    CHECK(two->time == "2026-01-02T03:04:05.5Z");
}

TEST_CASE("LogReader: skip_to_last gives exactly that many lines, over any number of blocks",
          "[07][logs]") {
    const drydock::TempDir directory("drydock-log-");
    const auto file = directory.path() / "log";
    std::string text;
    for (int i = 0; i < 5000; ++i) {
        text += line(std::to_string(i));
    }
    append(file, text);
    for (const std::uint64_t lines : {0U, 1U, 2U, 3000U}) {
        LogReader reader(file);
        reader.skip_to_last(lines);
        std::uint64_t got = 0;
        while (reader.next()) {
            ++got;
        }
        CHECK(got == lines);
    }
    LogReader reader(file);
    reader.skip_to_last(9999);
    CHECK(all_text(reader).starts_with("0\n1\n"));
}

TEST_CASE("LogReader: reads all files of a rotated log, the oldest first", "[07][logs]") {
    const drydock::TempDir directory("drydock-log-");
    const auto file = directory.path() / "log";
    append(file, line("new"));
    append(drydock::rotated_name(file, 1), line("older"));
    append(drydock::rotated_name(file, 2), line("oldest"));
    LogReader reader(file);
    CHECK(all_text(reader) == "oldest\nolder\nnew\n");
    for (const auto& [lines, expected] :
         {std::pair(1U, "new\n"), {2U, "older\nnew\n"}, {9U, "oldest\nolder\nnew\n"}}) {
        LogReader last(file);
        last.skip_to_last(lines);
        CHECK(all_text(last) == expected);
    }
}

TEST_CASE("LogReader: who follows a log loses nothing when it is rotated, once or twice",
          "[07][logs]") {
    const drydock::TempDir directory("drydock-log-");
    const auto file = directory.path() / "log";
    drydock::LogFile log(file, {.max_bytes = 200, .max_files = 5});
    LogReader reader(file);
    std::string expected;
    std::string got;
    for (int i = 0; i < 200; ++i) {
        log.append(line(std::to_string(i)));
        expected += std::to_string(i) + "\n";
        if (i % 5 == 0) {  // two to three files later
            got += all_text(reader);
        }
    }
    got += all_text(reader);
    CHECK(got == expected);
}

TEST_CASE("LogReader: what was rotated away altogether is passed over", "[07][logs]") {
    const drydock::TempDir directory("drydock-log-");
    const auto file = directory.path() / "log";
    drydock::LogFile log(file, {.max_bytes = 100, .max_files = 2});
    log.append(line("first"));
    LogReader reader(file);
    CHECK(all_text(reader) == "first\n");
    for (int i = 0; i < 20; ++i) {
        log.append(line(std::to_string(i)));
    }
    CHECK(all_text(reader).ends_with("18\n19\n"));
}

TEST_CASE("LogReader: a removed log is read to its end", "[07][logs]") {
    const drydock::TempDir directory("drydock-log-");
    const auto file = directory.path() / "log";
    append(file, line("one") + line("two"));
    LogReader reader(file);
    std::filesystem::remove(file);
    CHECK(all_text(reader) == "one\ntwo\n");
    CHECK_FALSE(reader.next());
}

TEST_CASE("LogReader: a line that is no JSON is left out", "[07][logs]") {
    const drydock::TempDir directory("drydock-log-");
    const auto file = directory.path() / "log";
    append(file, "garbage\n" + line("one"));
    LogReader reader(file);
    CHECK(all_text(reader) == "one\n");
}

}  // namespace
