#include "05-images/strict_json.hpp"

#include <functional>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

using nlohmann::json;
constexpr int kMaxDepth = 64;

/// Watches a parse for what nlohmann lets pass: the last of two equal keys would win, and a reader
/// that takes the first one would see another document.
class Watcher {
  public:
    explicit Watcher(std::string_view name) : name_(name) {}

    bool operator()(int depth, json::parse_event_t event, const json& parsed) {
        switch (event) {
            case json::parse_event_t::object_start:
            case json::parse_event_t::array_start:
                if (depth >= kMaxDepth) {
                    throw InputError(fmt::format("{}: nested deeper than {}", name_, kMaxDepth));
                }
                keys_.emplace_back();
                break;
            case json::parse_event_t::object_end:
            case json::parse_event_t::array_end:
                keys_.pop_back();
                break;
            case json::parse_event_t::key:
                if (!keys_.back().insert(parsed.get<std::string>()).second) {
                    throw InputError(fmt::format("{}: key \"{}\" occurs twice in one object", name_,
                                                 parsed.get<std::string>()));
                }
                break;
            case json::parse_event_t::value:
                break;
        }
        return true;
    }

  private:
    std::string_view name_;
    std::vector<std::set<std::string>> keys_{};
};

/// "~" and "/" of a key as a JSON pointer writes them (RFC 6901, section 3).
std::string escaped(std::string_view key) {
    std::string result;
    for (const char c : key) {
        result += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    }
    return result;
}

}  // namespace

json parse_strict_json(std::string_view text, std::string_view name) {
    try {
        Watcher watcher(name);
        return json::parse(text, std::ref(watcher));
    } catch (const json::parse_error& e) {
        throw InputError(fmt::format("{}: byte {}: not JSON", name, e.byte));
    }
}

void JsonPlace::refuse(std::string_view what) const {
    throw InputError(
        fmt::format("{}: at {}: {}", document_, pointer_.empty() ? "/" : pointer_, what));
}

bool JsonPlace::has(std::string_view key) const {
    expect_object();
    const auto found = value_->find(key);
    return found != value_->end() && !found->is_null();
}

JsonPlace JsonPlace::at(std::string_view key) const {
    if (!has(key)) {
        refuse(fmt::format("\"{}\" is missing", key));
    }
    JsonPlace place(*value_->find(key), document_);
    place.pointer_ = pointer_ + "/" + escaped(key);
    return place;
}

std::vector<JsonPlace> JsonPlace::elements(std::string_view key) const {
    return has(key) ? at(key).elements() : std::vector<JsonPlace>{};
}

std::vector<JsonPlace> JsonPlace::elements() const {
    if (!value_->is_array()) {
        refuse("expected an array");
    }
    std::vector<JsonPlace> result;
    for (std::size_t i = 0; i < value_->size(); ++i) {
        JsonPlace place((*value_)[i], document_);
        place.pointer_ = fmt::format("{}/{}", pointer_, i);
        result.push_back(std::move(place));
    }
    return result;
}

void JsonPlace::expect_object() const {
    if (!value_->is_object()) {
        refuse("expected an object");
    }
}

std::string JsonPlace::string() const {
    if (!value_->is_string()) {
        refuse("expected a string");
    }
    return value_->get<std::string>();
}

Digest JsonPlace::digest() const {
    return parse_digest(string(), fmt::format("{}: at {}", document_, pointer_));
}

std::uint64_t JsonPlace::unsigned_number() const {
    if (!value_->is_number_unsigned()) {
        refuse("expected a whole number, 0 or more");
    }
    return value_->get<std::uint64_t>();
}

std::int64_t JsonPlace::number(std::string_view key) const {
    if (!has(key)) {
        return 0;
    }
    const JsonPlace place = at(key);
    if (!place.value_->is_number_integer()) {
        place.refuse("expected a whole number");
    }
    return place.value_->get<std::int64_t>();
}

bool JsonPlace::boolean(std::string_view key) const {
    if (!has(key)) {
        return false;
    }
    const JsonPlace place = at(key);
    if (!place.value_->is_boolean()) {
        place.refuse("expected true or false");
    }
    return place.value_->get<bool>();
}

std::string JsonPlace::string(std::string_view key) const {
    return has(key) ? at(key).string() : "";
}

std::vector<std::string> JsonPlace::strings(std::string_view key) const {
    std::vector<std::string> result;
    for (const JsonPlace& element : elements(key)) {
        result.push_back(element.string());
    }
    return result;
}

std::map<std::string, std::string> JsonPlace::string_map(std::string_view key) const {
    std::map<std::string, std::string> result;
    for (const std::string& name : keys(key)) {
        result.emplace(name, at(key).at(name).string());
    }
    return result;
}

std::vector<std::string> JsonPlace::keys(std::string_view key) const {
    std::vector<std::string> result;
    if (has(key)) {
        const JsonPlace object = at(key);
        object.expect_object();
        for (const auto& item : object.value_->items()) {
            result.push_back(item.key());
        }
    }
    return result;
}

}  // namespace drydock
