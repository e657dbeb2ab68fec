#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json_text.hpp"

namespace drydock {

class JsonNode;

/// One row of the table that says how an object of a JSON document becomes a `T`.
template <class T>
struct Property {
    std::string_view name;
    void (*read)(const JsonNode&, T&);
    bool required = false;
};
inline constexpr bool kRequired = true;

/// A place in a JSON document that a person wrote: every reading of it says, when it fails, where
/// and what was expected.
class JsonNode {
  public:
    /// The JSON pointer is put together only for a message: most nodes never need theirs.
    JsonNode(const JsonItem& item, const JsonNode& parent, std::string_view key)
        : item_(&item),
          parent_(&parent),
          document_(parent.document_),
          warnings_(parent.warnings_),
          key_(key) {}
    JsonNode(const JsonItem& item, const JsonNode& parent, std::size_t index)
        : item_(&item),
          parent_(&parent),
          document_(parent.document_),
          warnings_(parent.warnings_),
          index_(index) {}
    /// @param document for errors: "BUNDLE/config.json"
    /// @param warnings of unknown properties are put there
    JsonNode(const JsonItem& item, const std::string& document, std::vector<std::string>& warnings)
        : item_(&item), document_(&document), warnings_(&warnings) {}

    /// Reads each property that is there as its row says. One without a row is warned about, null
    /// is as absent; a required one that is absent is an error.
    template <class T, std::size_t N>
    void read(const Property<T> (&table)[N], T& into) const;

    /// Calls `handler` for each element.
    void elements(const std::function<void(const JsonNode&)>& handler) const;
    /// The same with at most `most` elements.
    void elements(std::size_t most, const std::function<void(const JsonNode&)>& handler) const;
    /// Calls `handler` with each key and its value.
    void each(const std::function<void(const std::string&, const JsonNode&)>& handler) const;

    [[nodiscard]] std::string text() const;
    /// A text that starts with "/".
    [[nodiscard]] std::string absolute_path() const;
    /// One of `names`.
    [[nodiscard]] std::string one_of(std::initializer_list<std::string_view> names) const;
    [[nodiscard]] bool boolean() const;
    /// A whole number in [least, most].
    [[nodiscard]] std::int64_t number(std::int64_t least = INT64_MIN,
                                      std::int64_t most = INT64_MAX) const;
    [[nodiscard]] std::uint32_t id() const;        ///< 0 to 4294967294
    [[nodiscard]] std::uint64_t number64() const;  ///< 0 to 2^64-1
    [[nodiscard]] std::vector<std::string> texts() const;
    [[nodiscard]] std::map<std::string, std::string> text_map() const;
    /// "", 0, false, [], {} and null ask for nothing.
    [[nodiscard]] bool asks_for_nothing() const;

    /// @throws InputError "config.json: /process/args: expected ..., got ..."
    [[noreturn]] void fail(std::string_view expected) const;
    /// @throws NotImplemented naming the place
    [[noreturn]] void not_implemented(std::string_view detail = {}) const;
    void warn(std::string_view text) const;

  private:
    void for_each_property(
        const std::function<bool(std::string_view, const JsonNode&)>& known) const;
    void require(std::string_view name) const;
    void each_member(const std::function<void(std::string_view, const JsonNode&)>& handler) const;
    [[nodiscard]] std::string pointer() const;  ///< RFC 6901

    const JsonItem* item_;
    const JsonNode* parent_ = nullptr;
    const std::string* document_;
    std::vector<std::string>* warnings_;
    std::string_view key_{};
    std::size_t index_ = 0;
};

template <class T, std::size_t N>
void JsonNode::read(const Property<T> (&table)[N], T& into) const {
    for_each_property([&](std::string_view key, const JsonNode& node) {
        for (const Property<T>& property : table) {
            if (property.name == key) {
                property.read(node, into);
                return true;
            }
        }
        return false;
    });
    for (const Property<T>& property : table) {
        if (property.required) {
            require(property.name);
        }
    }
}

/// A parsed document and the warnings about it.
class JsonDocument {
  public:
    /// @param text outlives the document; @param name for errors: "BUNDLE/config.json"
    /// @throws InputError "NAME: parse error at line 3, column 7: ..."
    JsonDocument(std::string_view text, std::string name);
    JsonDocument(const JsonDocument&) = delete;
    JsonDocument& operator=(const JsonDocument&) = delete;
    JsonDocument(JsonDocument&&) = delete;
    JsonDocument& operator=(JsonDocument&&) = delete;

    [[nodiscard]] JsonNode root() { return {items_.front(), name_, warnings}; }

    std::vector<std::string> warnings{};

  private:
    std::string name_;
    std::vector<JsonItem> items_;
};

/// Rows for what changes nothing here, and for what Drydock cannot do: refused unless it asks for
/// nothing.
template <class T>
void ignore(const JsonNode& /*node*/, T& /*into*/) {}
void refuse_unless_empty(const JsonNode& node);
template <class T>
void refuse(const JsonNode& node, T& /*into*/) {
    refuse_unless_empty(node);
}

}  // namespace drydock
