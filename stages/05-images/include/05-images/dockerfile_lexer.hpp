#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drydock {

/// One instruction as it is written, continued lines joined and comments between them left out.
struct RawInstruction {
    int line = 0;        ///< of its first line, from 1
    std::string name{};  ///< upper case: "RUN"
    std::string text{};  ///< what follows the name, without white space around it
};

/// `text` with its ASCII letters in lower case: the names of directives and stages are compared so.
std::string lower_case(std::string_view text);

struct LexedDockerfile {
    char escape = '\\';  ///< of the directive "# escape="
    std::vector<RawInstruction> instructions{};
};

/// Cuts the text of a Dockerfile into instructions. Any name passes here, the parser knows which
/// there are.
/// @param name of the file, for errors: "Dockerfile:3: …"
/// @throws InputError for a wrong directive, NotImplemented for a heredoc
LexedDockerfile lex_dockerfile(std::string_view text, std::string_view name);

}  // namespace drydock
