#include "yaml_reader.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "07-compose/cli/format.hpp"

namespace drydock::compose {
namespace {

const char* kind_of(const YAML::Node& node) {
    switch (node.Type()) {
        case YAML::NodeType::Scalar:
            return "a single value";
        case YAML::NodeType::Sequence:
            return "a list";
        case YAML::NodeType::Map:
            return "a map";
        default:
            return "nothing";
    }
}

const char* kind_of(YAML::NodeType::value type) {
    return type == YAML::NodeType::Map        ? "a map (\"key: value\")"
           : type == YAML::NodeType::Sequence ? "a list (\"- value\")"
                                              : "a single value";
}

/// The line and column, from 1, of a tab among the spaces that a line begins with.
std::optional<std::pair<int, std::size_t>> find_tab(const std::string& text) {
    int number = 1;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::size_t first = text.find_first_not_of(' ', begin);
        if (first < end && text[first] == '\t') {
            return std::pair(number, first - begin + 1);
        }
        begin = end + 1;
        ++number;
    }
    return std::nullopt;
}

/// Words as a shell takes a line apart: spaces, '…', "…", \. Nothing when a quote is not closed.
std::optional<std::vector<std::string>> split_words(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    bool inside = false;
    char quote = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
            word += line[++i];
            inside = true;
        } else if (quote != 0 ? c == quote : c == '"' || c == '\'') {
            quote = quote != 0 ? '\0' : c;
            inside = true;
        } else if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
            if (std::exchange(inside, false)) {
                words.push_back(std::exchange(word, {}));
            }
        } else {
            word += c;
            inside = true;
        }
    }
    if (inside) {
        words.push_back(word);
    }
    return quote == 0 ? std::optional(words) : std::nullopt;
}

}  // namespace

YAML::Node YamlReader::parse(const std::string& text) const {
    try {
        return YAML::Load(text);
    } catch (const YAML::Exception& e) {
        if (const auto tab = find_tab(text)) {
            throw InputError(
                fmt::format("{}:{}:{}: a tab in the indentation; YAML takes spaces only",
                            file_.native(), tab->first, tab->second));
        }
        throw InputError(fmt::format("{}:{}:{}: not YAML: {}", file_.native(), e.mark.line + 1,
                                     e.mark.column + 1, e.msg));
    }
}

std::string YamlReader::where(const YAML::Node& node) const {
    const YAML::Mark mark = node.Mark();
    return fmt::format("{}:{}:{}", file_.native(), mark.line + 1, mark.column + 1);
}

void YamlReader::fail(const YAML::Node& node, const std::string& what) const {
    throw InputError(where(node) + ": " + what);
}

void YamlReader::not_implemented(const YAML::Node& node, const std::string& what) const {
    throw NotImplemented(fmt::format("{} ({})", what, where(node)));
}

void YamlReader::expect(const YAML::Node& node, std::string_view what,
                        YAML::NodeType::value type) const {
    if (node.Type() != type) {
        fail(node, fmt::format("{}: expected {}, got {}", what, kind_of(type), kind_of(node)));
    }
}

std::string YamlReader::text(const YAML::Node& node, std::string_view what) {
    expect(node, what, YAML::NodeType::Scalar);
    return interpolate(node.Scalar(), lookup_, where(node), [&](const std::string& name) {
        warnings.push_back(
            fmt::format("{}: the variable {} is not set; it counts as empty", where(node), name));
    });
}

bool YamlReader::boolean(const YAML::Node& node, std::string_view what) {
    const std::string value = text(node, what);
    if (value != "true" && value != "false") {
        fail(node, fmt::format("{}: expected true or false, got \"{}\"", what, value));
    }
    return value == "true";
}

int YamlReader::count(const YAML::Node& node, std::string_view what) {
    const std::string value = text(node, what);
    int number = -1;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size() || number < 0) {
        fail(node, fmt::format("{}: expected a number, got \"{}\"", what, value));
    }
    return number;
}

std::vector<std::string> YamlReader::texts(const YAML::Node& node, std::string_view what) {
    if (node.IsScalar()) {
        return {text(node, what)};
    }
    expect(node, what, YAML::NodeType::Sequence);
    std::vector<std::string> values;
    for (const YAML::Node& item : node) {
        values.push_back(text(item, what));
    }
    return values;
}

std::vector<std::string> YamlReader::words(const YAML::Node& node, std::string_view what) {
    if (!node.IsScalar()) {
        return texts(node, what);
    }
    const auto words = split_words(text(node, what));
    if (!words) {
        fail(node, fmt::format("{}: a quote is not closed", what));
    }
    return *words;
}

std::map<std::string, std::string> YamlReader::pairs(
    const YAML::Node& node, std::string_view what,
    const std::function<std::optional<std::string>(const std::string&)>& bare) {
    std::map<std::string, std::string> result;
    const auto put = [&](const std::string& key, const std::optional<std::string>& value) {
        if (value) {
            result[key] = *value;
        }
    };
    if (node.IsMap()) {
        each(node, what, [&](const YAML::Node& key, const YAML::Node& value) {
            put(key.Scalar(), value.IsNull()
                                  ? bare(key.Scalar())
                                  : text(value, fmt::format("{}.{}", what, key.Scalar())));
        });
        return result;
    }
    expect(node, what, YAML::NodeType::Sequence);
    for (const YAML::Node& item : node) {
        const std::string pair = text(item, what);
        const auto equals = pair.find('=');
        if (pair.empty() || equals == 0) {
            fail(item, fmt::format("{}: expected KEY=VALUE, got \"{}\"", what, pair));
        }
        const std::string key = pair.substr(0, equals);
        put(key, equals == std::string::npos ? bare(key) : pair.substr(equals + 1));
    }
    return result;
}

void YamlReader::each(const YAML::Node& node, std::string_view what,
                      const std::function<void(const YAML::Node&, const YAML::Node&)>& use) const {
    expect(node, what, YAML::NodeType::Map);
    std::set<std::string> seen;
    for (const auto& entry : node) {
        if (!entry.first.IsScalar()) {
            fail(entry.first, fmt::format("{}: a key must be a single value", what));
        }
        const std::string& key = entry.first.Scalar();
        if (key == "<<") {
            not_implemented(entry.first, "\"<<\", merging of maps");
        }
        if (!seen.insert(key).second) {
            fail(entry.first, fmt::format("{}: \"{}\" is there twice", what, key));
        }
        use(entry.first, entry.second);
    }
}

void YamlReader::map(const YAML::Node& node, const std::string& prefix,
                     const std::map<std::string, Key>& known,
                     const std::vector<std::string>& not_yet) {
    each(node, prefix, [&](const YAML::Node& key, const YAML::Node& value) {
        const std::string& name = key.Scalar();
        if (name.starts_with("x-")) {
            return;
        }
        if (const auto found = known.find(name); found != known.end()) {
            if (!value.IsNull()) {
                found->second(value);
            }
            return;
        }
        if (std::ranges::find(not_yet, name) != not_yet.end()) {
            not_implemented(key, fmt::format("{}.{}", prefix, name));
        }
        std::vector<std::string> names = not_yet;
        std::ranges::transform(known, std::back_inserter(names),
                               [](const auto& entry) { return entry.first; });
        const std::string meant = cli::nearest(name, names);
        fail(key, fmt::format("{}: \"{}\" is no key that Compose has here{}", prefix,
                              cli::printable(name),
                              meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant)));
    });
}

}  // namespace drydock::compose
