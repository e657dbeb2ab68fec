#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drydock {

/// A text of several lines behind an instruction: "<<EOF", lines, "EOF".
struct Heredoc {
    std::string name{};     ///< "EOF", without quotes
    std::string content{};  ///< each line with its end; of "<<-" without the tabs it begins with
    bool expand = true;  ///< variables are replaced where it becomes a file: the name had no quotes
    bool chomp = false;  ///< it was "<<-"
};

/// The heredoc that a word begins: "<<EOF", "3<<-'EOF'". Nothing for any other word.
std::optional<Heredoc> heredoc_of(std::string_view word, char escape);

/// One instruction as it is written, continued lines joined and comments between them left out.
struct RawInstruction {
    int line = 0;                     ///< of its first line, from 1
    std::string name{};               ///< upper case: "RUN"
    std::string text{};               ///< what follows the name, without white space around it
    std::string written_name{};       ///< as its author wrote it: "Run"
    std::vector<Heredoc> heredocs{};  ///< of RUN, COPY and ADD, in their order
    std::string heredoc_lines{};      ///< the same as it is written: all lines behind `text`
};

/// `text` with its ASCII letters in lower case: the names of directives and stages are compared so.
std::string lower_case(std::string_view text);

struct LexedDockerfile {
    char escape = '\\';                      ///< of the directive "# escape="
    std::string check{};                     ///< of the directive "# check="
    std::vector<int> empty_continuations{};  ///< lines without text inside a continued instruction
    std::vector<RawInstruction> instructions{};
};

/// Cuts the text of a Dockerfile into instructions. Any name passes here, the parser knows which
/// there are.
/// @param name of the file, for errors: "Dockerfile:3: …"
/// @throws InputError for a wrong directive and a heredoc without an end
LexedDockerfile lex_dockerfile(std::string_view text, std::string_view name);

}  // namespace drydock
