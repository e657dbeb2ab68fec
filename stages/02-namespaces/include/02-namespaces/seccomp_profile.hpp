#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "02-namespaces/capabilities.hpp"

namespace drydock {

/// What to do about a system call: SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | errno,
/// SECCOMP_RET_KILL_PROCESS, …
using SeccompAction = std::uint32_t;

/// A condition on one argument, all 64 bits of it.
struct SeccompCondition {
    enum class Operator {
        Equal,
        NotEqual,
        Less,
        LessOrEqual,
        Greater,
        GreaterOrEqual,
        MaskedEqual
    };
    unsigned index = 0;  ///< of the argument, 0 to 5
    Operator op = Operator::Equal;
    std::uint64_t value = 0;      ///< the mask, for MaskedEqual
    std::uint64_t value_two = 0;  ///< what the masked argument must be
};

/// The action for calls of these names of which all conditions hold.
struct SeccompRule {
    std::vector<std::string> names{};  ///< those that this kernel's headers do not know are skipped
    SeccompAction action = 0;
    std::vector<SeccompCondition> conditions{};
};

/// As in the OCI runtime-spec. For one call the rules with conditions are tried first, in order;
/// then the one without. Where the default refuses, calls that are newer than every one named here
/// give ENOSYS instead. Calls by another ABI than the native 64-bit one (int 0x80, x32) end the
/// process: few programs need them, and what they do hides from a filter (socketcall(2)).
struct SeccompProfile {
    SeccompAction default_action = 0;
    std::vector<SeccompRule> rules{};
    unsigned long flags = 0;  ///< SECCOMP_FILTER_FLAG_*, for load_seccomp()
    bool i386 = false;        ///< the rules hold for int 0x80 too; socketcall gives ENOSYS where a
                              ///< condition on socket would not see its arguments
};

/// The list for containers whose capabilities are `capabilities`: what programs need is allowed, a
/// new kernel's calls give ENOSYS, everything else EPERM. clone3 gives ENOSYS, because its flags
/// are out of a filter's sight.
SeccompProfile default_seccomp_profile(CapabilitySet capabilities);

}  // namespace drydock
