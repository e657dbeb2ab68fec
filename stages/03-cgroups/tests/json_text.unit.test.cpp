#include "json_text.hpp"

#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

#include "json_string.hpp"

using drydock::JsonItem;
using drydock::testing::ContainsSubstring;
using Kind = drydock::JsonItem::Kind;

namespace {

/// The same document as nlohmann's library has it, built from our items.
nlohmann::json value_of(const JsonItem* item) {
    nlohmann::json result;
    switch (item->kind) {
        case Kind::Null:
            return nullptr;
        case Kind::True:
            return true;
        case Kind::False:
            return false;
        case Kind::Number:
            if (const auto number = drydock::json_integer(*item)) {
                return *number;
            }
            if (const auto number = drydock::json_unsigned(*item)) {
                return *number;
            }
            return std::stod(std::string(item->text));
        case Kind::String:
            return drydock::decoded_json(item->text);
        case Kind::Array:
        case Kind::Object:
            break;
    }
    result = item->kind == Kind::Array ? nlohmann::json::array() : nlohmann::json::object();
    const JsonItem* child = item + 1;
    for (unsigned i = 0; i < item->children; ++i, child += child->extent) {
        if (item->kind == Kind::Array) {
            result.push_back(value_of(child));
        } else {
            result[drydock::decoded_json(child->key)] = value_of(child);
        }
    }
    return result;
}

std::string error_of(std::string_view text) {
    try {
        static_cast<void>(drydock::parse_json(text));
        return "";
    } catch (const drydock::InputError& e) {
        return e.what();
    }
}

/// Ours where both libraries agree about what is JSON.
void check_as_nlohmann(const std::string& text) {
    nlohmann::json theirs(nlohmann::json::value_t::discarded);
    try {
        theirs = nlohmann::json::parse(text);
    } catch (const nlohmann::json::out_of_range&) {
        return;  // 1e999 is JSON, but no double
    } catch (
        const nlohmann::json::parse_error&) {  // NOLINT(bugprone-empty-catch): it stays discarded
    }
    const std::string error = error_of(text);
    if (error.find("is there twice") != std::string::npos) {
        return;
    }
    if (theirs.is_discarded() != !error.empty()) {
        FAIL(text << "\nours: " << error << "\ntheirs: " << !theirs.is_discarded());
    }
    if (error.empty()) {
        const std::vector<JsonItem> items = drydock::parse_json(text);
        if (value_of(items.data()) != theirs) {
            FAIL(text << "\n" << value_of(items.data()).dump() << "\n" << theirs.dump());
        }
    }
}

}  // namespace

TEST_CASE("parse_json: what JSON is and what it is not, nlohmann's library says too",
          "[03][json]") {
    for (const char* text : {"",
                             " ",
                             "x",
                             "{}",
                             "[]",
                             "[1,]",
                             "{\"a\":1,}",
                             "{\"a\"}",
                             "{a:1}",
                             "[1 2]",
                             "nul",
                             "null",
                             "nulll",
                             "true",
                             "false ",
                             "\"\"",
                             "\"a",
                             "\"\\",
                             "\"\\u",
                             "\"\\u12\"",
                             "\"\\u00e4\\n\\\"\\\\\\/\\b\\f\\r\\t\"",
                             "\"\\x\"",
                             "\"\\ud83d\\ude00\"",
                             "\"\\ud83d\"",
                             "\"\\ude00\"",
                             "\"\\ud83d\\u0041\"",
                             "\"\\u-001\"",
                             "\"\t\"",
                             "\"\x7f\"",
                             "\"\xc3\xa4\"",
                             "\"\xc3\"",
                             "\"\xed\xa0\x80\"",
                             "\"\xf0\x9f\x98\x80\"",
                             "\"\xf4\x90\x80\x80\"",
                             "\"\xc0\x80\"",
                             "0",
                             "-0",
                             "-",
                             "01",
                             "1.",
                             "1.5",
                             ".5",
                             "1e5",
                             "1e",
                             "1E+3",
                             "1e-3",
                             "18446744073709551615",
                             "18446744073709551616",
                             "-9223372036854775808",
                             "[[[]]]",
                             "{\"a\":{\"b\":[1,{\"c\":null}]},\"d\":\"\\u0000\"}",
                             "\xef\xbb\xbf{}",
                             "{} {}",
                             "[1]x"}) {
        check_as_nlohmann(text);
    }
    SUCCEED("none differs");
}

TEST_CASE("parse_json: a damaged document is read as nlohmann's library reads it", "[03][json]") {
    const std::string good =
        R"({"ociVersion": "1.0.2", "process": {"args": ["sh", "-c", "echo \u00e4\n"], "uid": 1000,
  "env": [], "x": -1.5e3, "big": 18446744073709551615, "t": true, "f": false, "n": null}})";
    check_as_nlohmann(good);
    constexpr std::string_view kBytes = "{}[]\",:\\u019.-+eE \n\ttrufalsn\xc3\xa4\xff";
    std::mt19937 random(20261122);
    for (int i = 0; i < 10000; ++i) {
        std::string text = good;
        for (auto changes = 1 + random() % 3; changes > 0; --changes) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
                case 0:
                    text[at] = kBytes[random() % kBytes.size()];
                    break;
                case 1:
                    text.erase(at, 1 + random() % 4);
                    break;
                default:
                    text.insert(at, 1, kBytes[random() % kBytes.size()]);
            }
        }
        check_as_nlohmann(text);
    }
    SUCCEED("none differs");
}

TEST_CASE("parse_json: an error names the line and the column", "[03][json]") {
    CHECK(error_of("{\n  \"a\": x}") == "parse error at line 2, column 8: expected a value");
    CHECK(error_of("{\"a\": 1") == "parse error at line 1, column 8: expected \",\" or \"}\"");
    CHECK(error_of("{\"a\": \"b\x01\"}") ==
          "parse error at line 1, column 9: a control character in a string");
}

TEST_CASE("parse_json: a key twice, and more levels than any config has, are refused",
          "[03][json]") {
    CHECK_THAT(error_of(R"({"a": 1, "b": {"a": 2}, "a": 3})"), ContainsSubstring("the key \"a\""));
    CHECK(error_of(R"([{"a": 1}, {"a": 1}])").empty());
    CHECK_THAT(error_of(std::string(100000, '[')), ContainsSubstring("more than 128 levels"));
}
