#include <sys/stat.h>

#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

#include "copy_tree.hpp"

namespace drydock {
namespace {

constexpr mode_t kAllBits = 07777;

[[noreturn]] void refuse_mode(const std::string& text) {
    throw InputError(fmt::format(
        "--chmod={}: expected an octal mode, like 755, or clauses like u=rwX,go=rX", text));
}

/// The bits of one letter for everybody.
mode_t bits_of(char letter, const std::string& text) {
    switch (letter) {
        case 'r':
            return 0444;
        case 'w':
            return 0222;
        case 'x':
            return 0111;
        case 's':
            return 06000;
        case 't':
            return 01000;
        default:
            refuse_mode(text);
    }
}

mode_t who_of(char letter) {
    return letter == 'u' ? 04700 : letter == 'g' ? 02070 : letter == 'o' ? 01007 : kAllBits;
}

ModeChange::Clause clause_of(std::string_view clause, const std::string& text) {
    ModeChange::Clause result;
    const std::size_t op = clause.find_first_of("+-=");
    if (op == std::string_view::npos ||
        clause.substr(0, op).find_first_not_of("ugoa") != std::string_view::npos) {
        refuse_mode(text);
    }
    for (const char letter : clause.substr(0, op)) {
        result.who |= who_of(letter);
    }
    result.who = op == 0 ? kAllBits : result.who;
    result.op = clause[op];
    for (const char letter : clause.substr(op + 1)) {
        if (letter == 'X') {
            result.search = true;
        } else {
            result.bits |= bits_of(letter, text);
        }
    }
    return result;
}

}  // namespace

mode_t ModeChange::applied(mode_t mode) const {
    mode_t result = mode & kAllBits;
    if (whole) {
        return *whole;
    }
    for (const Clause& clause : clauses) {
        const bool search = clause.search && (S_ISDIR(mode) || (result & 0111U) != 0);
        const mode_t bits = (clause.bits | (search ? 0111U : 0U)) & clause.who;
        result = clause.op == '+'   ? result | bits
                 : clause.op == '-' ? result & ~bits
                                    : (result & ~clause.who) | bits;
    }
    return result;
}

ModeChange parse_mode(const std::string& text) {
    ModeChange result{.text = text};
    mode_t mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (error == std::errc{} && end == text.data() + text.size() && mode <= kAllBits) {
        result.whole = mode;
        return result;
    }
    std::string_view rest = text;
    while (!rest.empty()) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        result.clauses.push_back(clause_of(rest.substr(0, comma), text));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return result;
}

}  // namespace drydock
