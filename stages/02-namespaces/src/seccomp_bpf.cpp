#include "02-namespaces/seccomp_bpf.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ranges>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "02-namespaces/system_calls.hpp"

namespace drydock {
namespace {

using Code = std::vector<sock_filter>;
using Operator = SeccompCondition::Operator;

#if defined(__x86_64__)
constexpr std::uint32_t kNativeAbi = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kFirstForeign =
    0x40000000;  // __X32_SYSCALL_BIT: the x32 ABI has the same AUDIT_ARCH
#elif defined(__aarch64__)
constexpr std::uint32_t kNativeAbi = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kFirstForeign = 0x80000000;
#else
#error "no seccomp support for this machine yet"
#endif

constexpr std::size_t kSocketcallOfI386 = 102;
constexpr std::size_t kSocketOfI386 = 359;
constexpr std::uint32_t kJump = BPF_JMP | BPF_K;

sock_filter instruction(std::uint32_t code, std::uint32_t k, std::size_t if_true = 0,
                        std::size_t if_false = 0) {
    return {.code = static_cast<std::uint16_t>(code),
            .jt = static_cast<std::uint8_t>(if_true),
            .jf = static_cast<std::uint8_t>(if_false),
            .k = k};
}
sock_filter load(std::size_t offset) {
    return instruction(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
sock_filter give(SeccompAction action) {
    return instruction(BPF_RET | BPF_K, action);
}

void append(Code& code, const Code& more) {
    code.insert(code.end(), more.begin(), more.end());
}

/// Where one half of an argument lies in the seccomp_data that a filter reads, on a little-endian
/// machine.
std::size_t offset_of(unsigned argument, bool high) {
    return offsetof(seccomp_data, args) + 8 * std::size_t{argument} + (high ? 4 : 0);
}
std::uint32_t low(std::uint64_t value) {
    return static_cast<std::uint32_t>(value);
}
std::uint32_t high(std::uint64_t value) {
    return static_cast<std::uint32_t>(value >> 32U);
}

/// Code that goes on behind its own end when the condition holds and `otherwise` instructions
/// further when it does not. BPF compares 32 bits; the high halves decide unless they are equal.
Code test(const SeccompCondition& c, std::size_t otherwise) {
    const bool masked = c.op == Operator::MaskedEqual;
    const std::uint64_t value = masked ? c.value_two & c.value : c.value;
    if (masked && high(c.value) == 0) {
        return {load(offset_of(c.index, false)),
                instruction(BPF_ALU | BPF_AND | BPF_K, low(c.value)),
                instruction(kJump | BPF_JEQ, low(value), 0, otherwise)};
    }
    Code code{load(offset_of(c.index, true))};
    if (masked) {
        code.push_back(instruction(BPF_ALU | BPF_AND | BPF_K, high(c.value)));
    }
    const Code low_half = masked ? Code{load(offset_of(c.index, false)),
                                        instruction(BPF_ALU | BPF_AND | BPF_K, low(c.value))}
                                 : Code{load(offset_of(c.index, false))};
    const std::size_t rest = low_half.size() + 1;  // from the high half's verdict to the end
    switch (c.op) {
        case Operator::Equal:
        case Operator::MaskedEqual:
            code.push_back(instruction(kJump | BPF_JEQ, high(value), 0, rest + otherwise));
            append(code, low_half);
            code.push_back(instruction(kJump | BPF_JEQ, low(value), 0, otherwise));
            break;
        case Operator::NotEqual:
            code.push_back(instruction(kJump | BPF_JEQ, high(value), 0, rest));
            append(code, low_half);
            code.push_back(instruction(kJump | BPF_JEQ, low(value), otherwise, 0));
            break;
        case Operator::Greater:
        case Operator::GreaterOrEqual:
            code.push_back(instruction(kJump | BPF_JGT, high(value), rest + 1, 0));
            code.push_back(instruction(kJump | BPF_JEQ, high(value), 0, rest + otherwise));
            append(code, low_half);
            code.push_back(instruction(kJump | (c.op == Operator::Greater ? BPF_JGT : BPF_JGE),
                                       low(value), 0, otherwise));
            break;
        case Operator::Less:
        case Operator::LessOrEqual:
            code.push_back(instruction(kJump | BPF_JGT, high(value), rest + 1 + otherwise, 0));
            code.push_back(instruction(kJump | BPF_JEQ, high(value), 0, rest));
            append(code, low_half);
            code.push_back(instruction(kJump | (c.op == Operator::Less ? BPF_JGE : BPF_JGT),
                                       low(value), otherwise, 0));
            break;
    }
    return code;
}

/// What is decided about one system call: rules with conditions, in order, and what holds when none
/// of them does.
struct Verdict {
    std::vector<const SeccompRule*> rules{};
    SeccompAction otherwise = 0;

    bool operator==(const Verdict&) const = default;
};

Code code_of(const Verdict& verdict) {
    Code code;
    for (const SeccompRule* rule : verdict.rules) {
        // Backwards, so that each test knows how far the next rule is.
        Code block{give(rule->action)};
        for (const SeccompCondition& c : std::views::reverse(rule->conditions)) {
            Code tested = test(c, block.size());
            append(tested, block);
            block = std::move(tested);
        }
        append(code, block);
    }
    code.push_back(give(verdict.otherwise));
    return code;
}

/// System calls from `first` up to the next range's first have one verdict.
struct Range {
    std::uint32_t first = 0;
    Verdict verdict{};
};

/// What the profile says about each call that has a name, by number.
/// @param newest becomes the highest number named, if that is higher
std::vector<Verdict> verdicts_of(const SeccompProfile& profile, Abi abi, std::uint32_t& newest) {
    std::vector<Verdict> verdicts(static_cast<std::size_t>(end_of_system_calls(abi)),
                                  Verdict{{}, profile.default_action});
    for (const SeccompRule& rule : profile.rules) {
        for (const std::string& name : rule.names) {
            const int number = system_call_number(name, abi);
            if (number < 0) {
                continue;
            }
            newest = std::max(newest, static_cast<std::uint32_t>(number));
            Verdict& verdict = verdicts[static_cast<std::size_t>(number)];
            if (rule.conditions.empty()) {
                verdict.otherwise = rule.action;
            } else {
                verdict.rules.push_back(&rule);
            }
        }
    }
    if (abi == Abi::I386 && !verdicts[kSocketOfI386].rules.empty()) {
        // It does what socket does with arguments in memory, where no filter sees them. C libraries
        // try socket first, or fall back to it.
        verdicts[kSocketcallOfI386] = {{}, SECCOMP_RET_ERRNO | ENOSYS};
    }
    return verdicts;
}

std::vector<Range> ranges_of(const SeccompProfile& profile, Abi abi) {
    std::uint32_t newest = kFirstSharedCall - 1;
    const std::vector<Verdict> verdicts = verdicts_of(profile, abi, newest);
    std::vector<Range> ranges;
    const auto begin = [&ranges](std::uint32_t number, const Verdict& verdict) {
        if (ranges.empty() || !(ranges.back().verdict == verdict)) {
            ranges.push_back({number, verdict});
        }
    };
    // Or leaves it to somebody else.
    const bool allows = profile.default_action == SECCOMP_RET_ALLOW ||
                        profile.default_action == SECCOMP_RET_LOG ||
                        profile.default_action == SECCOMP_RET_USER_NOTIF ||
                        (profile.default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE;
    for (std::uint32_t number = 0; number < verdicts.size() && (allows || number <= newest);
         ++number) {
        begin(number, verdicts[number]);
    }
    // What is newer than all that the profile names was not refused by its author: it must look as
    // if the kernel did not have it, so that programs fall back.
    begin(std::min(newest + 1, static_cast<std::uint32_t>(verdicts.size())),
          {{}, allows ? profile.default_action : SECCOMP_RET_ERRNO | ENOSYS});
    if (abi == Abi::Native) {
        begin(kFirstForeign, {{}, SECCOMP_RET_KILL_PROCESS});
    }
    return ranges;
}

/// A binary search with the accumulator at the system call's number.
Code search(std::span<const Range> ranges) {
    if (ranges.size() == 1) {
        return code_of(ranges.front().verdict);
    }
    const std::size_t middle = ranges.size() / 2;
    const Code below = search(ranges.first(middle));
    Code code;
    constexpr std::size_t kFarthest = 255;
    if (below.size() <= kFarthest) {
        code.push_back(instruction(kJump | BPF_JGE, ranges[middle].first, below.size(), 0));
    } else {
        code.push_back(instruction(kJump | BPF_JGE, ranges[middle].first, 0, 1));
        code.push_back(instruction(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(below.size())));
    }
    append(code, below);
    append(code, search(ranges.subspan(middle)));
    return code;
}

/// `code` for calls that came by `audit_arch`; the others go on behind it.
Code only_for(std::uint32_t audit_arch, const Code& code) {
    Code result{instruction(kJump | BPF_JEQ, audit_arch, 1, 0),
                instruction(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(code.size() + 1)),
                load(offsetof(seccomp_data, nr))};
    append(result, code);
    return result;
}

}  // namespace

std::vector<sock_filter> compile_seccomp(const SeccompProfile& profile) {
    Code code{load(offsetof(seccomp_data, arch))};
    append(code, only_for(kNativeAbi, search(ranges_of(profile, Abi::Native))));
    if (profile.i386 && kNativeAbi == AUDIT_ARCH_X86_64) {
        append(code, only_for(AUDIT_ARCH_I386, search(ranges_of(profile, Abi::I386))));
    }
    code.push_back(give(SECCOMP_RET_KILL_PROCESS));
    if (code.size() > BPF_MAXINSNS) {
        throw InputError(fmt::format("seccomp profile: {} instructions, the kernel takes {}",
                                     code.size(), BPF_MAXINSNS));
    }
    return code;
}

// [region: load-seccomp]
void load_seccomp(std::span<const sock_filter> filter) {
    const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                             .filter = const_cast<sock_filter*>(filter.data())};
    check(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program),
          "seccomp(SECCOMP_SET_MODE_FILTER, len={})", filter.size());
}
// [/region]

UniqueFd load_seccomp(std::span<const sock_filter> filter, unsigned long flags) {
    if (flags == 0) {
        load_seccomp(filter);
        return {};
    }
    const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                             .filter = const_cast<sock_filter*>(filter.data())};
    const long result =
        check(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program),
              "seccomp(SECCOMP_SET_MODE_FILTER, flags={:#x}, len={})", flags, filter.size());
    return (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0 ? UniqueFd(static_cast<int>(result))
                                                           : UniqueFd();
}

}  // namespace drydock
