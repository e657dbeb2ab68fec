#include "03-cgroups/log_line.hpp"

#include <vector>

#include <nlohmann/json.hpp>

#include "testing/catch.hpp"

using drydock::LogLines;
using drydock::Stream;

namespace {

std::vector<nlohmann::json> entries_of(const std::string& text) {
    std::vector<nlohmann::json> entries;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = text.find('\n', begin);
        entries.push_back(nlohmann::json::parse(text.substr(begin, end - begin)));
        begin = end + 1;
    }
    return entries;
}

std::vector<std::string> logged(const std::vector<std::string>& reads) {
    LogLines lines(Stream::Stdout);
    std::string out;
    for (const std::string& bytes : reads) {
        lines.add(bytes, out);
    }
    lines.finish(out);
    std::vector<std::string> texts;
    for (const nlohmann::json& entry : entries_of(out)) {
        texts.push_back(entry.at("log"));
    }
    return texts;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("LogLines: an entry has the line, its stream and a time", "[03][log]") {
    LogLines lines(Stream::Stderr);
    std::string out;
    lines.add("hello\n", out);
    REQUIRE(entries_of(out).size() == 1);
    const nlohmann::json entry = entries_of(out)[0];
    CHECK(entry.at("log") == "hello\n");
    CHECK(entry.at("stream") == "stderr");
    const std::string time = entry.at("time");
    CHECK(time.size() == std::string("2026-01-02T03:04:05.123456789Z").size());
    CHECK(time.back() == 'Z');
}

TEST_CASE("LogLines: lines are what newlines divide, however they are read", "[03][log]") {
    CHECK(logged({"a\nb\n"}) == Texts{"a\n", "b\n"});
    CHECK(logged({"a", "\n", "b", "c\n"}) == Texts{"a\n", "bc\n"});
    CHECK(logged({"\n\n"}) == Texts{"\n", "\n"});
    CHECK(logged({}) == Texts{});
}

TEST_CASE("LogLines: what never got its newline is kept without one", "[03][log]") {
    CHECK(logged({"a\nprompt> "}) == Texts{"a\n", "prompt> "});
}

TEST_CASE("LogLines: a long line is split at 16 KiB, and only its last part ends the line",
          "[03][log]") {
    const std::string part(drydock::kMaxLogText, 'x');
    CHECK(logged({part + part + "yz\n"}) == Texts{part, part, "yz\n"});
    CHECK(logged({part + "\n"}) == Texts{part, "\n"});
    CHECK(logged({part.substr(1) + "\n"}) == Texts{part.substr(1) + "\n"});
}

TEST_CASE("LogLines: a split does not cut a character in two", "[03][log]") {
    const std::string text = std::string(drydock::kMaxLogText - 1, 'x') + "é\n";
    CHECK(logged({text}) == Texts{std::string(drydock::kMaxLogText - 1, 'x'), "é\n"});
}

TEST_CASE("LogLines: any bytes give valid JSON", "[03][log]") {
    CHECK(logged({"\"\\\t\r\x01\x7f\n"}) == Texts{"\"\\\t\r\x01\x7f\n"});
    CHECK(logged({std::string("a\0b\n", 4)}) == Texts{std::string("a\0b\n", 4)});
    CHECK(logged({"grüße 世界 🚢\n"}) == Texts{"grüße 世界 🚢\n"});
    const std::string bad = "\xef\xbf\xbd";
    CHECK(logged({"\xff\n"}) == Texts{bad + "\n"});
    CHECK(logged({"\xc0\xaf\n"}) == Texts{bad + bad + "\n"});
    CHECK(logged({"\xed\xa0\x80\n"}) == Texts{bad + bad + bad + "\n"});
    CHECK(logged({"\xf4\x90\x80\x80\n"}) == Texts{bad + bad + bad + bad + "\n"});
    CHECK(logged({"\xe4\xb8\n"}) == Texts{bad + bad + "\n"});
    std::string all;
    for (int byte = 0; byte < 256; ++byte) {
        all += static_cast<char>(byte);
    }
    CHECK(logged({all, all}).size() == 3);
}
