#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "07-compose/compose/interpolate.hpp"

namespace drydock::compose {

/// Takes values out of a YAML document. Everything that is not as it should be is an InputError
/// that begins with FILE:LINE:COLUMN.
class YamlReader {
  public:
    YamlReader(std::filesystem::path file, Lookup lookup)
        : file_(std::move(file)), lookup_(std::move(lookup)) {}

    /// @throws InputError also for a tab in the indentation, which YAML does not allow
    [[nodiscard]] YAML::Node parse(const std::string& text) const;

    /// "compose.yaml:3:5"
    [[nodiscard]] std::string where(const YAML::Node& node) const;
    [[noreturn]] void fail(const YAML::Node& node, const std::string& what) const;
    /// @throws NotImplemented
    [[noreturn]] void not_implemented(const YAML::Node& node, const std::string& what) const;

    /// A scalar with its variables replaced. @param what it is, for the message: "image"
    std::string text(const YAML::Node& node, std::string_view what);
    bool boolean(const YAML::Node& node, std::string_view what);
    int count(const YAML::Node& node, std::string_view what);
    /// A list of scalars, or one alone.
    std::vector<std::string> texts(const YAML::Node& node, std::string_view what);
    /// A list, or a line as a shell would take it apart.
    std::vector<std::string> words(const YAML::Node& node, std::string_view what);
    /// A map of scalars, or a list of "KEY=VALUE". A key without "=", or with null, is given to
    /// `bare`, which says what its value is; nothing drops it.
    std::map<std::string, std::string> pairs(
        const YAML::Node& node, std::string_view what,
        const std::function<std::optional<std::string>(const std::string&)>& bare);

    using Key = std::function<void(const YAML::Node& value)>;
    /// Gives each value of the map to what `known` has for its key. null values and "x-…" keys are
    /// left out.
    /// @param not_yet keys that Compose has: they are NotImplemented, as "PREFIX.KEY"
    /// @throws InputError for a key that is nowhere, with the nearest that is; for one that is
    /// there twice
    void map(const YAML::Node& node, const std::string& prefix,
             const std::map<std::string, Key>& known, const std::vector<std::string>& not_yet = {});
    /// Calls `use` with each key and value, in order.
    void each(const YAML::Node& node, std::string_view what,
              const std::function<void(const YAML::Node& key, const YAML::Node& value)>& use) const;

    [[nodiscard]] const Lookup& lookup() const noexcept { return lookup_; }
    std::vector<std::string> warnings{};

  private:
    void expect(const YAML::Node& node, std::string_view what, YAML::NodeType::value type) const;

    std::filesystem::path file_;
    Lookup lookup_;
};

}  // namespace drydock::compose
