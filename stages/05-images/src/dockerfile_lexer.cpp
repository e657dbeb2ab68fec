#include "05-images/dockerfile_lexer.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "05-images/expand.hpp"

namespace drydock {
namespace {

constexpr std::string_view kBlank = " \t\r\f\v";

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string upper(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return result;
}

struct Directive {
    std::string key{};
    std::string value{};
};

/// "# key=value"; nothing for any other line.
std::optional<Directive> directive(std::string_view line) {
    line = trimmed(line);
    const std::size_t equals = line.find('=');
    if (!line.starts_with('#') || equals == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view key = trimmed(line.substr(1, equals - 1));
    const std::string_view value = trimmed(line.substr(equals + 1));
    if (key.empty() || value.empty() ||
        !std::ranges::all_of(key, [](unsigned char c) { return std::isalnum(c) != 0; })) {
        return std::nullopt;
    }
    return Directive{lower_case(key), std::string(value)};
}

/// Whether it has the form of a JSON array: then "<<" in it is text.
bool looks_like_json(std::string_view text) {
    while (text.starts_with("--")) {
        text = trimmed(text.substr(std::min(text.find_first_of(kBlank), text.size())));
    }
    return text.starts_with('[') && text.ends_with(']');
}

/// The part of an instruction that may have heredocs; empty when it cannot.
std::string_view heredoc_part(const RawInstruction& raw) {
    const auto takes = [](std::string_view name) {
        return name == "RUN" || name == "COPY" || name == "ADD";
    };
    std::string_view text = raw.text;
    if (raw.name == "ONBUILD") {
        const std::size_t end = std::min(text.find_first_of(kBlank), text.size());
        if (!takes(upper(text.substr(0, end)))) {
            return {};
        }
        text = trimmed(text.substr(end));
    } else if (!takes(raw.name)) {
        return {};
    }
    return looks_like_json(text) ? std::string_view{} : text;
}

class Lexer {
  public:
    Lexer(std::string_view text, std::string_view name) : rest_(text), name_(name) {
        constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
        if (rest_.starts_with(kByteOrderMark)) {
            rest_.remove_prefix(kByteOrderMark.size());
        }
    }

    LexedDockerfile run() {
        std::string_view line;
        bool at_top = true;
        while (next(line)) {
            const auto found = at_top ? directive(line) : std::nullopt;
            at_top = found && apply(*found);
            if (!at_top && !is_comment_or_blank(line)) {
                result_.instructions.push_back(instruction(line));
            }
        }
        return std::move(result_);
    }

  private:
    bool next(std::string_view& line) {
        if (rest_.empty()) {
            return false;
        }
        ++line_;
        const std::size_t end = rest_.find('\n');
        line = rest_.substr(0, end);
        rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        return true;
    }

    static bool is_comment_or_blank(std::string_view line) {
        const std::string_view text = trimmed(line);
        return text.empty() || text.starts_with('#');
    }

    [[noreturn]] void refuse(int line, std::string_view what) const {
        throw InputError(fmt::format("{}:{}: {}", name_, line, what));
    }

    /// @return false for a line that is no directive after all: the directives end there
    bool apply(const Directive& found) {
        if (found.key != "escape" && found.key != "syntax" && found.key != "check") {
            return false;
        }
        if (!directives_.insert(found.key).second) {
            refuse(line_, fmt::format("directive \"{}\" occurs twice", found.key));
        }
        if (found.key == "escape") {
            if (found.value != "\\" && found.value != "`") {
                refuse(line_, fmt::format("escape=\"{}\": expected \\ or `", found.value));
            }
            result_.escape = found.value[0];
        } else if (found.key == "check") {
            result_.check = found.value;
        }
        return true;
    }

    /// Takes the escape character at the line's end away. @return whether there was one
    bool continues(std::string_view& line) const {
        const std::string_view text = line.substr(0, line.find_last_not_of(" \t") + 1);
        if (!text.ends_with(result_.escape) ||
            (text.size() > 1 && text[text.size() - 2] == result_.escape)) {
            return false;
        }
        line = text.substr(0, text.size() - 1);
        return true;
    }

    RawInstruction instruction(std::string_view line) {
        RawInstruction raw{.line = line_};
        line.remove_prefix(line.find_first_not_of(kBlank));
        bool more = continues(line);
        std::string joined(line);
        while (more && next(line)) {
            if (trimmed(line).empty()) {
                result_.empty_continuations.push_back(line_);
            }
            if (!is_comment_or_blank(line)) {
                more = continues(line);
                joined += line;
            }
        }
        const std::string_view all = trimmed(joined);
        const std::size_t end = std::min(all.find_first_of(kBlank), all.size());
        raw.written_name = all.substr(0, end);
        raw.name = upper(raw.written_name);
        raw.text = trimmed(all.substr(end));
        for (const std::string& word : split_words(heredoc_part(raw), result_.escape)) {
            if (auto heredoc = heredoc_of(word, result_.escape)) {
                read_heredoc(*heredoc, raw);
                raw.heredocs.push_back(*std::move(heredoc));
            }
        }
        return raw;
    }

    // [region: heredoc]
    /// Takes the lines up to the one that is the heredoc's name. Nothing in them is an instruction,
    /// a comment or a continuation.
    void read_heredoc(Heredoc& heredoc, RawInstruction& raw) {
        std::string_view line;
        while (next(line)) {
            raw.heredoc_lines += fmt::format("\n{}", line);
            if (heredoc.chomp) {
                line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
            }
            if (line == heredoc.name) {
                return;
            }
            heredoc.content += fmt::format("{}\n", line);
        }
        refuse(raw.line, fmt::format("{}: the heredoc \"<<{}\" has no end; expected a line \"{}\"",
                                     raw.name, heredoc.name, heredoc.name));
    }
    // [/region]

    std::string_view rest_;
    std::string_view name_;
    int line_ = 0;
    std::set<std::string> directives_{};
    LexedDockerfile result_{};
};

}  // namespace

std::optional<Heredoc> heredoc_of(std::string_view word, char escape) {
    word.remove_prefix(std::min(word.find_first_not_of("0123456789"), word.size()));
    if (!word.starts_with("<<") || word.find('<', 2) != std::string_view::npos) {
        return std::nullopt;  // "<<<word" is another thing of the shell's
    }
    word.remove_prefix(2);
    Heredoc result{.chomp = word.starts_with('-')};
    word.remove_prefix(result.chomp ? 1 : 0);
    result.expand = word.find_first_of("'\"") == std::string_view::npos;
    try {
        result.name =
            expand(word, [](const std::string&) { return std::optional<std::string>(); }, escape);
    } catch (const InputError&) {
        return std::nullopt;
    }
    return result.name.empty() ? std::nullopt : std::optional(result);
}

std::string lower_case(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

LexedDockerfile lex_dockerfile(std::string_view text, std::string_view name) {
    return Lexer(text, name).run();
}

}  // namespace drydock
