#include "json_node.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

#include "json_string.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMaxShown = 64;

/// A key as a part of a JSON pointer.
std::string escaped_key(std::string_view key) {
    std::string result;
    for (const char c : key) {
        result += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    }
    return result;
}

std::vector<JsonItem> parsed_items(std::string_view text, const std::string& name) {
    try {
        return parse_json(text);
    } catch (const InputError& e) {
        throw InputError(fmt::format("{}: {}", name, e.what()));
    }
}

/// A member's key; `storage` holds it when it is written with escapes.
std::string_view key_of(const JsonItem& item, std::string& storage) {
    if (!item.escaped_key) {
        return item.key;
    }
    storage = decoded_json(item.key);
    return storage;
}

}  // namespace

JsonDocument::JsonDocument(std::string_view text, std::string name)
    : name_(std::move(name)), items_(parsed_items(text, name_)) {}

std::string JsonNode::pointer() const {
    if (parent_ == nullptr) {
        return {};
    }
    return parent_->pointer() + "/" +
           (key_.data() != nullptr ? escaped_key(key_) : std::to_string(index_));
}

void JsonNode::for_each_property(
    const std::function<bool(std::string_view, const JsonNode&)>& known) const {
    each_member([&](std::string_view key, const JsonNode& node) {
        if (node.item_->kind != JsonItem::Kind::Null && !known(key, node)) {
            node.warn("unknown property, ignored");
        }
    });
}

void JsonNode::require(std::string_view name) const {
    bool found = false;
    each_member([&](std::string_view key, const JsonNode& node) {
        found = found || (key == name && node.item_->kind != JsonItem::Kind::Null);
    });
    if (!found) {
        fail(fmt::format("\"{}\"", name));
    }
}

void JsonNode::each_member(
    const std::function<void(std::string_view, const JsonNode&)>& handler) const {
    if (item_->kind != JsonItem::Kind::Object) {
        fail("an object");
    }
    std::string storage;
    const JsonItem* member = item_ + 1;
    for (std::uint32_t i = 0; i < item_->children; ++i, member += member->extent) {
        const std::string_view key = key_of(*member, storage);
        handler(key, JsonNode(*member, *this, key));
    }
}

void JsonNode::elements(const std::function<void(const JsonNode&)>& handler) const {
    if (item_->kind != JsonItem::Kind::Array) {
        fail("an array");
    }
    const JsonItem* element = item_ + 1;
    for (std::uint32_t i = 0; i < item_->children; ++i, element += element->extent) {
        handler(JsonNode(*element, *this, i));
    }
}

void JsonNode::elements(std::size_t most,
                        const std::function<void(const JsonNode&)>& handler) const {
    if (item_->kind == JsonItem::Kind::Array && item_->children > most) {
        fail(fmt::format("at most {} elements instead of {}", most, item_->children));
    }
    elements(handler);
}

void JsonNode::each(const std::function<void(const std::string&, const JsonNode&)>& handler) const {
    each_member(
        [&](std::string_view key, const JsonNode& node) { handler(std::string(key), node); });
}

std::string JsonNode::text() const {
    if (item_->kind != JsonItem::Kind::String) {
        fail("a string");
    }
    std::string result = item_->escaped ? decoded_json(item_->text) : std::string(item_->text);
    if (result.find('\0') != std::string::npos) {
        fail("a string without NUL");
    }
    return result;
}

std::string JsonNode::absolute_path() const {
    std::string path = text();
    if (!path.starts_with("/")) {
        fail("an absolute path");
    }
    return path;
}

std::string JsonNode::one_of(std::initializer_list<std::string_view> names) const {
    std::string value = text();
    if (std::ranges::find(names, value) == names.end()) {
        std::string list;
        for (const std::string_view name : names) {
            list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", name);
        }
        fail("one of " + list);
    }
    return value;
}

bool JsonNode::boolean() const {
    if (item_->kind != JsonItem::Kind::True && item_->kind != JsonItem::Kind::False) {
        fail("true or false");
    }
    return item_->kind == JsonItem::Kind::True;
}

std::int64_t JsonNode::number(std::int64_t least, std::int64_t most) const {
    const std::optional<std::int64_t> value = json_integer(*item_);
    if (!value || *value < least || *value > most) {
        fail(least == INT64_MIN && most == INT64_MAX
                 ? "a whole number"
                 : fmt::format("a whole number from {} to {}", least, most));
    }
    return *value;
}

std::uint32_t JsonNode::id() const {
    // 4294967295 is -1, which means "no change" to the system calls.
    return static_cast<std::uint32_t>(number(0, std::int64_t{UINT32_MAX} - 1));
}

std::uint64_t JsonNode::number64() const {
    const std::optional<std::uint64_t> value = json_unsigned(*item_);
    if (!value) {
        fail("a whole number from 0 to 18446744073709551615");
    }
    return *value;
}

std::vector<std::string> JsonNode::texts() const {
    std::vector<std::string> result;
    elements([&](const JsonNode& element) { result.push_back(element.text()); });
    return result;
}

std::map<std::string, std::string> JsonNode::text_map() const {
    std::map<std::string, std::string> result;
    each([&](const std::string& key, const JsonNode& value) { result[key] = value.text(); });
    return result;
}

bool JsonNode::asks_for_nothing() const {
    switch (item_->kind) {
        case JsonItem::Kind::Null:
        case JsonItem::Kind::False:
            return true;
        case JsonItem::Kind::True:
            return false;
        case JsonItem::Kind::Number:
            return item_->text.find_first_of("123456789") == std::string_view::npos;
        case JsonItem::Kind::String:
            return item_->text.empty();
        case JsonItem::Kind::Array:
        case JsonItem::Kind::Object:
            return item_->children == 0;
    }
    return false;
}

void JsonNode::fail(std::string_view expected) const {
    const bool is_text = item_->kind == JsonItem::Kind::String;
    std::string got = is_text ? fmt::format("\"{}\"", item_->text) : std::string(item_->text);
    if (got.size() > kMaxShown) {
        std::size_t end = kMaxShown;
        while (end > 0 && (static_cast<unsigned char>(got[end]) & 0xc0U) == 0x80) {
            --end;  // not in the middle of a character
        }
        got = fmt::format("{}...", got.substr(0, end));
    }
    const std::string place = pointer();
    throw InputError(fmt::format("{}: {}: expected {}, got {}", *document_,
                                 place.empty() ? "/" : place, expected, got));
}

void JsonNode::not_implemented(std::string_view detail) const {
    const std::string place = pointer();
    std::string name = place.substr(std::min<std::size_t>(1, place.size()));
    std::ranges::replace(name, '/', '.');
    throw NotImplemented(detail.empty() ? name : fmt::format("{}: {}", name, detail));
}

void JsonNode::warn(std::string_view text) const {
    warnings_->push_back(fmt::format("{}: {}: {}", *document_, pointer(), text));
}

void refuse_unless_empty(const JsonNode& node) {
    if (!node.asks_for_nothing()) {
        node.not_implemented();
    }
}

}  // namespace drydock
