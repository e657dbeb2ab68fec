#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace drydock {

/// A place in a JSON document that a person wrote: every reading of it says, when it fails, where
/// and what was expected.
class JsonNode {
  public:
    using Handler = std::function<void(const JsonNode&)>;
    using Field = std::pair<std::string_view, Handler>;

    /// @param document for errors: "BUNDLE/config.json"; @param warnings of unknown properties are
    /// put there
    JsonNode(const nlohmann::json& json, const std::string& document,
             std::vector<std::string>& warnings);

    /// Calls the handler of each property that is there. One without a handler is warned about,
    /// null is as absent.
    void fields(std::initializer_list<Field> handlers) const;
    /// Calls `handler` for each element.
    void elements(const Handler& handler) const;

    [[nodiscard]] std::string text() const;
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
    JsonNode(const nlohmann::json& json, const JsonNode& parent, const std::string& key);

    const nlohmann::json* json_;
    const std::string* document_;
    std::vector<std::string>* warnings_;
    std::string pointer_{};  ///< RFC 6901
};

/// A handler for what Drydock cannot do yet: refuses it unless it asks for nothing.
void refuse_unless_empty(const JsonNode& node);

}  // namespace drydock
