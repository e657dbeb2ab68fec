#include "json_node.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

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

nlohmann::json parsed_json(std::string_view text, const std::string& name) {
    try {
        return nlohmann::json::parse(text);
    } catch (const nlohmann::json::parse_error& e) {
        // "[json.exception.parse_error.101] parse error at line 3, column 7: ..."
        const std::string_view what = e.what();
        throw InputError(
            fmt::format("{}: {}", name, what.substr(std::min(what.find("] ") + 2, what.size()))));
    }
}

}  // namespace

JsonDocument::JsonDocument(std::string_view text, std::string name)
    : name_(std::move(name)), json_(std::make_unique<nlohmann::json>(parsed_json(text, name_))) {}

JsonDocument::~JsonDocument() = default;

std::string JsonNode::pointer() const {
    if (parent_ == nullptr) {
        return {};
    }
    return parent_->pointer() + "/" +
           (key_.data() != nullptr ? escaped_key(key_) : std::to_string(index_));
}

void JsonNode::for_each_property(
    const std::function<bool(std::string_view, const JsonNode&)>& known) const {
    if (!json_->is_object()) {
        fail("an object");
    }
    for (const auto& [key, value] : json_->get_ref<const nlohmann::json::object_t&>()) {
        const JsonNode child(value, *this, std::string_view(key));
        if (!value.is_null() && !known(key, child)) {
            child.warn("unknown property, ignored");
        }
    }
}

void JsonNode::require(std::string_view name) const {
    const auto found = json_->find(name);
    if (found == json_->end() || found->is_null()) {
        fail(fmt::format("\"{}\"", name));
    }
}

void JsonNode::elements(const std::function<void(const JsonNode&)>& handler) const {
    if (!json_->is_array()) {
        fail("an array");
    }
    for (std::size_t i = 0; i < json_->size(); ++i) {
        handler(JsonNode((*json_)[i], *this, i));
    }
}

void JsonNode::elements(std::size_t most,
                        const std::function<void(const JsonNode&)>& handler) const {
    if (json_->is_array() && json_->size() > most) {
        fail(fmt::format("at most {} elements instead of {}", most, json_->size()));
    }
    elements(handler);
}

void JsonNode::each(const std::function<void(const std::string&, const JsonNode&)>& handler) const {
    if (!json_->is_object()) {
        fail("an object");
    }
    for (const auto& [key, value] : json_->get_ref<const nlohmann::json::object_t&>()) {
        handler(key, JsonNode(value, *this, std::string_view(key)));
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
    std::map<std::string, std::string> result;
    each([&](const std::string& key, const JsonNode& value) { result[key] = value.text(); });
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
