#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "05-images/dockerfile.hpp"
#include "05-images/dockerfile_lexer.hpp"

namespace drydock {

/// Where the parser is, for errors: "Dockerfile:3: RUN: …".
struct DockerfilePlace {
    std::string_view file{};
    char escape = '\\';
    const RawInstruction& raw;

    /// @throws InputError
    [[noreturn]] void refuse(std::string_view what) const;
    /// @throws NotImplemented
    [[noreturn]] void not_implemented(std::string_view what) const;
};

/// The flags of one instruction, in the order they are written.
using WrittenFlags = std::vector<std::pair<std::string, std::string>>;

/// Takes the leading "--name=value" words off `text`; "--name" is {"name", "true"}.
/// @throws InputError for one that is not in `known`, with the nearest of them
WrittenFlags take_flags(std::string_view& text, std::span<const std::string_view> known,
                        const DockerfilePlace& place);

/// Reads one instruction other than FROM.
Instruction parse_instruction(const DockerfilePlace& place);

}  // namespace drydock
