#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "04-layers/digest.hpp"

namespace drydock {

/// Parses a document that a stranger wrote. What two readers could understand differently is
/// refused: a duplicate key, bytes that are not UTF-8, text behind the document, nesting deeper
/// than 64.
///
/// @param name of the document, for messages: "manifest sha256:…"
/// @throws InputError "name: at /layers/0: …", or with the byte offset for what is not JSON at all
nlohmann::json parse_strict_json(std::string_view text, std::string_view name);

/// One value of a document together with the JSON pointer that leads to it, so that every complaint
/// names its place. The document must outlive it.
class JsonPlace {
  public:
    JsonPlace(const nlohmann::json& value, std::string_view document)
        : value_(&value), document_(document) {}

    /// @throws InputError "document: at /pointer: what"
    [[noreturn]] void refuse(std::string_view what) const;

    [[nodiscard]] const nlohmann::json& value() const noexcept { return *value_; }
    /// True when this object has the member `key` and it is not null.
    [[nodiscard]] bool has(std::string_view key) const;
    /// The member `key`. @throws InputError when it is missing
    [[nodiscard]] JsonPlace at(std::string_view key) const;
    /// The elements of this array; none when `key` is missing or null.
    [[nodiscard]] std::vector<JsonPlace> elements(std::string_view key) const;

    /// The elements of this array.
    [[nodiscard]] std::vector<JsonPlace> elements() const;

    // This value, which must be of that type. @throws InputError when it is not
    void expect_object() const;
    [[nodiscard]] std::string string() const;
    [[nodiscard]] std::uint64_t unsigned_number() const;
    [[nodiscard]] Digest digest() const;

    // The member `key`, empty when it is missing or null.
    [[nodiscard]] std::string string(std::string_view key) const;
    [[nodiscard]] std::int64_t number(std::string_view key) const;
    [[nodiscard]] bool boolean(std::string_view key) const;
    [[nodiscard]] std::vector<std::string> keys(std::string_view key) const;
    [[nodiscard]] std::vector<std::string> strings(std::string_view key) const;
    [[nodiscard]] std::map<std::string, std::string> string_map(std::string_view key) const;

  private:
    const nlohmann::json* value_;
    std::string document_;
    std::string pointer_{};
};

}  // namespace drydock
