#include "07-compose/compose/interpolate.hpp"

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock::compose {
namespace {

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9');
}

std::string_view leading_name(std::string_view text) {
    std::size_t length = 0;
    while (length < text.size() &&
           (length == 0 ? is_name_start(text[length]) : is_name(text[length]))) {
        ++length;
    }
    return text.substr(0, length);
}

struct Interpolation {
    const Lookup& lookup;
    std::string_view where;
    const std::function<void(const std::string&)>& unset;

    [[noreturn]] void throw_wrong(std::string_view text, std::string_view what) const {
        throw InputError(fmt::format(
            "{}: \"{}\": {}; expected $NAME, ${{NAME}} or ${{NAME:-default}} (\"$$\" is a plain $)",
            where, text, what));
    }

    /// What ends the "${" before `text`: its "}" with the nested ones skipped.
    [[nodiscard]] std::size_t closing(std::string_view text) const {
        int depth = 1;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text.substr(i, 2) == "${") {
                ++depth;
            } else if (text[i] == '}' && --depth == 0) {
                return i;
            }
        }
        throw_wrong(text, "\"${\" without \"}\"");
    }

    [[nodiscard]] std::string plain(const std::string& name) const {
        const auto value = lookup(name);
        if (!value) {
            unset(name);
        }
        return value.value_or("");
    }

    /// The value of "NAME", "NAME:-word", …: what stands between "${" and "}".
    [[nodiscard]] std::string braced(std::string_view inside) const {
        const std::string name(leading_name(inside));
        std::string_view rest = inside.substr(name.size());
        if (name.empty()) {
            throw_wrong(inside, "no name");
        }
        if (rest.empty()) {
            return plain(name);
        }
        const bool empty_is_unset = rest.front() == ':';
        rest.remove_prefix(empty_is_unset ? 1 : 0);
        if (rest.empty() || std::string_view("-?+").find(rest.front()) == std::string_view::npos) {
            throw_wrong(inside, "no such operator");
        }
        const auto value = lookup(name);
        const bool is_set = value && !(empty_is_unset && value->empty());
        const std::string_view word = rest.substr(1);
        switch (rest.front()) {
            case '-':
                return is_set ? *value : replaced(word);
            case '+':
                return is_set ? replaced(word) : "";
            default:
                break;
        }
        if (!is_set) {
            const std::string reason = replaced(word);
            throw InputError(fmt::format("{}: the variable {} is not set: {}", where, name,
                                         reason.empty() ? "it is required here" : reason));
        }
        return *value;
    }

    [[nodiscard]] std::string replaced(std::string_view text) const {
        std::string result;
        while (!text.empty()) {
            const auto dollar = std::min(text.find('$'), text.size());
            result += text.substr(0, dollar);
            text.remove_prefix(dollar);
            if (text.starts_with("$$")) {
                result += '$';
                text.remove_prefix(2);
            } else if (text.starts_with("${")) {
                text.remove_prefix(2);
                const std::size_t end = closing(text);
                result += braced(text.substr(0, end));
                text.remove_prefix(end + 1);
            } else if (!text.empty()) {
                const std::string name(leading_name(text.substr(1)));
                result += name.empty() ? "$" : plain(name);
                text.remove_prefix(1 + name.size());
            }
        }
        return result;
    }
};

/// The value behind "NAME=": quoted, or up to " #".
std::string env_value(std::string_view text) {
    if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
        const auto end = text.find(text.front(), 1);
        if (end != std::string_view::npos) {
            return std::string(text.substr(1, end - 1));
        }
    }
    text = text.substr(0, text.find(" #"));
    const auto last = text.find_last_not_of(" \t\r");
    return std::string(last == std::string_view::npos ? std::string_view()
                                                      : text.substr(0, last + 1));
}

}  // namespace

std::string interpolate(std::string_view text, const Lookup& lookup, std::string_view where,
                        const std::function<void(const std::string&)>& unset) {
    return Interpolation{.lookup = lookup, .where = where, .unset = unset}.replaced(text);
}

std::map<std::string, std::string> parse_env_file(std::string_view text, std::string_view file) {
    std::map<std::string, std::string> variables;
    for (int number = 1; !text.empty(); ++number) {
        const auto end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(text.size(), end + 1));
        line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t\r")));
        if (line.empty() || line.front() == '#') {
            continue;
        }
        if (line.starts_with("export ")) {
            line.remove_prefix(7);
        }
        const std::string_view name = leading_name(line);
        if (name.empty() || line.substr(name.size(), 1) != "=") {
            throw InputError(fmt::format("{}:{}: expected NAME=value", file, number));
        }
        variables[std::string(name)] = env_value(line.substr(name.size() + 1));
    }
    return variables;
}

}  // namespace drydock::compose
