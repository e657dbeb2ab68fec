#include "json_node.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMaxShown = 64;

/// A key as a part of a JSON pointer.
std::string escaped(const std::string& key) {
    std::string result;
    for (const char c : key) {
        result += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    }
    return result;
}

}  // namespace

JsonNode::JsonNode(const nlohmann::json& json, const std::string& document,
                   std::vector<std::string>& warnings)
    : json_(&json), document_(&document), warnings_(&warnings) {}

JsonNode::JsonNode(const nlohmann::json& json, const JsonNode& parent, const std::string& key)
    : json_(&json),
      document_(parent.document_),
      warnings_(parent.warnings_),
      pointer_(parent.pointer_ + "/" + escaped(key)) {}

void JsonNode::fields(std::initializer_list<Field> handlers) const {
    if (!json_->is_object()) {
        fail("an object");
    }
    for (const auto& [key, value] : json_->items()) {
        const JsonNode child(value, *this, key);
        const auto* const handler =
            std::ranges::find(handlers, std::string_view(key), &Field::first);
        if (handler == handlers.end()) {
            child.warn("unknown property, ignored");
        } else if (!value.is_null()) {
            handler->second(child);
        }
    }
}

void JsonNode::elements(const Handler& handler) const {
    if (!json_->is_array()) {
        fail("an array");
    }
    for (std::size_t i = 0; i < json_->size(); ++i) {
        handler(JsonNode((*json_)[i], *this, std::to_string(i)));
    }
}

std::string JsonNode::text() const {
    if (!json_->is_string()) {
        fail("a string");
    }
    auto result = json_->get<std::string>();
    if (result.find('\0') != std::string::npos) {
        fail("a string without NUL");
    }
    return result;
}

bool JsonNode::boolean() const {
    if (!json_->is_boolean()) {
        fail("true or false");
    }
    return json_->get<bool>();
}

std::int64_t JsonNode::number(std::int64_t least, std::int64_t most) const {
    const bool fits =
        json_->is_number_integer() &&
        !(json_->is_number_unsigned() && json_->get<std::uint64_t>() > std::uint64_t{INT64_MAX});
    if (!fits || json_->get<std::int64_t>() < least || json_->get<std::int64_t>() > most) {
        fail(least == INT64_MIN && most == INT64_MAX
                 ? "a whole number"
                 : fmt::format("a whole number from {} to {}", least, most));
    }
    return json_->get<std::int64_t>();
}

std::uint32_t JsonNode::id() const {
    // 4294967295 is -1, which means "no change" to the system calls.
    return static_cast<std::uint32_t>(number(0, std::int64_t{UINT32_MAX} - 1));
}

std::uint64_t JsonNode::number64() const {
    if (!json_->is_number_unsigned()) {
        fail("a whole number from 0 to 18446744073709551615");
    }
    return json_->get<std::uint64_t>();
}

std::vector<std::string> JsonNode::texts() const {
    std::vector<std::string> result;
    elements([&](const JsonNode& element) { result.push_back(element.text()); });
    return result;
}

std::map<std::string, std::string> JsonNode::text_map() const {
    if (!json_->is_object()) {
        fail("an object of strings");
    }
    std::map<std::string, std::string> result;
    for (const auto& [key, value] : json_->items()) {
        result[key] = JsonNode(value, *this, key).text();
    }
    return result;
}

bool JsonNode::asks_for_nothing() const {
    const nlohmann::json& j = *json_;
    return j.is_null() || (j.is_boolean() && !j.get<bool>()) ||
           (j.is_number() && j.get<double>() == 0) ||
           (j.is_string() && j.get_ref<const std::string&>().empty()) ||
           (j.is_structured() && j.empty());
}

void JsonNode::fail(std::string_view expected) const {
    std::string got = json_->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    if (got.size() > kMaxShown) {
        got = fmt::format("{}...", got.substr(0, kMaxShown));
    }
    throw InputError(fmt::format("{}: {}: expected {}, got {}", *document_,
                                 pointer_.empty() ? "/" : pointer_, expected, got));
}

void JsonNode::not_implemented(std::string_view detail) const {
    std::string name = pointer_.substr(std::min<std::size_t>(1, pointer_.size()));
    std::ranges::replace(name, '/', '.');
    throw NotImplemented(detail.empty() ? name : fmt::format("{}: {}", name, detail));
}

void JsonNode::warn(std::string_view text) const {
    warnings_->push_back(fmt::format("{}: {}: {}", *document_, pointer_, text));
}

void refuse_unless_empty(const JsonNode& node) {
    if (!node.asks_for_nothing()) {
        node.not_implemented();
    }
}

}  // namespace drydock
