#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace drydock {

/// One value of a JSON document, as a place in its text: nothing is copied. A config.json is read
/// at every start, and building a tree of it out of maps and strings took longer than half of the
/// kernel's work for the container.
struct JsonItem {
    enum class Kind : std::uint8_t { Null, False, True, Number, String, Array, Object };
    Kind kind = Kind::Null;
    bool escaped = false;     ///< of a String: it holds a "\"
    std::string_view text{};  ///< as it stands there; a String without its quotes
    std::string_view key{};   ///< in the object that holds it, undecoded
    bool escaped_key = false;
    std::uint32_t children = 0;  ///< of an Array or Object; the first one is the next item
    std::uint32_t extent = 1;    ///< how many items it and all below it are
};

/// The values of a document in the order in which they begin; [0] is the document itself.
/// @param text must outlive the result
/// @throws InputError "parse error at line 3, column 7: ..."; no object may have a key twice, no
/// value may be more than 128 levels deep
/// @see RFC 8259
std::vector<JsonItem> parse_json(std::string_view text);

/// A Number's value; nothing when it is no whole number or does not fit.
std::optional<std::int64_t> json_integer(const JsonItem& item);
std::optional<std::uint64_t> json_unsigned(const JsonItem& item);

}  // namespace drydock
