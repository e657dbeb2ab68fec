// Dockerfiles: what is accepted is read as the same again when it is written out, a line an
// instruction.
#include "05-images/dockerfile.hpp"

#include <optional>
#include <string>
#include <string_view>

#include "01-chroot/error.hpp"
#include "05-images/dockerfile_check.hpp"

#include "oracle.hpp"

namespace {

using namespace drydock;

/// @return the Dockerfile, if it is one; errors are one line
std::optional<Dockerfile> read(std::string_view text) {
    try {
        return parse_dockerfile(text, "f");
    } catch (const InputError&) {
        return std::nullopt;
    } catch (const NotImplemented&) {
        return std::nullopt;
    }
}

/// What its lexer took for an instruction, each on one line, and the heredocs as they were.
std::string printed(std::string_view text) {
    const LexedDockerfile lexed = lex_dockerfile(text, "f");
    std::string result = std::string("# escape=") + lexed.escape + "\n";
    for (const RawInstruction& raw : lexed.instructions) {
        result += raw.name + " " + raw.text + raw.heredoc_lines + "\n";
    }
    return result;
}

bool same(const Instruction& a, const Instruction& b) {
    bool equal = a.verb == b.verb && a.flags == b.flags && a.mounts == b.mounts &&
                 a.excludes == b.excludes && a.words == b.words && a.pairs == b.pairs &&
                 a.exec_form == b.exec_form && a.heredocs.size() == b.heredocs.size();
    for (std::size_t i = 0; equal && i < a.heredocs.size(); ++i) {
        equal = a.heredocs[i].name == b.heredocs[i].name &&
                a.heredocs[i].content == b.heredocs[i].content &&
                a.heredocs[i].expand == b.heredocs[i].expand;
    }
    return equal;
}

bool same(const std::vector<Instruction>& a, const std::vector<Instruction>& b) {
    bool equal = a.size() == b.size();
    for (std::size_t i = 0; equal && i < a.size(); ++i) {
        equal = same(a[i], b[i]);
    }
    return equal;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto file = read(input);
    if (!file) {
        return 0;
    }
    int line = 0;
    for (const BuildStage& stage : file->stages) {
        HOLDS(stage.line > line);
        line = stage.line;
        for (const Instruction& instruction : stage.instructions) {
            HOLDS(instruction.line > line);
            line = instruction.line;
        }
    }
    static_cast<void>(check_dockerfile(*file, {}));
    const auto again = read(printed(input));
    HOLDS(again);
    HOLDS(same(file->global_args, again->global_args));
    HOLDS(file->stages.size() == again->stages.size());
    for (std::size_t i = 0; i < file->stages.size(); ++i) {
        const BuildStage& a = file->stages[i];
        const BuildStage& b = again->stages[i];
        HOLDS(a.base == b.base && a.name == b.name && a.platform == b.platform);
        HOLDS(same(a.instructions, b.instructions));
    }
    return 0;
}
