#include "02-namespaces/seccomp_bpf.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <seccomp.h>

#include "01-chroot/file.hpp"
#include "02-namespaces/system_calls.hpp"

#include "testing/catch.hpp"

using drydock::SeccompCondition;
using drydock::SeccompProfile;
using Operator = SeccompCondition::Operator;
using Filter = std::vector<sock_filter>;

namespace {

constexpr std::uint32_t kRefused = SECCOMP_RET_ERRNO | EPERM;

/// Runs a filter as the kernel does. (Only what seccomp filters use.)
std::uint32_t verdict(const Filter& filter, const seccomp_data& data) {
    std::uint32_t a = 0;
    for (std::size_t pc = 0; pc < filter.size(); ++pc) {
        const sock_filter& f = filter[pc];
        const auto jump = [&](bool taken) { pc += taken ? f.jt : f.jf; };
        switch (f.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                std::memcpy(&a, reinterpret_cast<const char*>(&data) + f.k, sizeof a);
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                a &= f.k;
                break;
            case BPF_JMP | BPF_JA:
                pc += f.k;
                break;
            case BPF_JMP | BPF_JEQ | BPF_K:
                jump(a == f.k);
                break;
            case BPF_JMP | BPF_JGE | BPF_K:
                jump(a >= f.k);
                break;
            case BPF_JMP | BPF_JGT | BPF_K:
                jump(a > f.k);
                break;
            case BPF_RET | BPF_K:
                return f.k;
            default:
                throw std::logic_error("instruction " + std::to_string(f.code));
        }
    }
    throw std::logic_error("ran off the end");
}

seccomp_data call(int number, std::vector<std::uint64_t> arguments = {},
                  std::uint32_t abi = AUDIT_ARCH_X86_64) {
    seccomp_data data{.nr = number, .arch = abi, .instruction_pointer = 0, .args = {}};
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        data.args[i] = arguments[i];
    }
    return data;
}

int number(const char* name) {
    return drydock::system_call_number(name);
}

constexpr scmp_compare kOperators[] = {SCMP_CMP_EQ, SCMP_CMP_NE, SCMP_CMP_LT,       SCMP_CMP_LE,
                                       SCMP_CMP_GT, SCMP_CMP_GE, SCMP_CMP_MASKED_EQ};

/// Whether libseccomp, which is older than the kernel, knows the call.
bool is_known_to_libseccomp(const std::string& name) {
    return ::seccomp_syscall_resolve_name(name.c_str()) != __NR_SCMP_ERROR;
}

/// What libseccomp makes of the same profile.
Filter compiled_by_libseccomp(const SeccompProfile& profile) {
    scmp_filter_ctx context = ::seccomp_init(profile.default_action);
    REQUIRE(::seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0);
    if (profile.i386) {
        REQUIRE(::seccomp_arch_add(context, SCMP_ARCH_X86) == 0);
    }
    for (const drydock::SeccompRule& rule : profile.rules) {
        std::vector<scmp_arg_cmp> arguments;
        for (const SeccompCondition& c : rule.conditions) {
            arguments.push_back(
                {c.index, kOperators[static_cast<int>(c.op)], c.value, c.value_two});
        }
        for (const std::string& name : rule.names) {
            const int nr = ::seccomp_syscall_resolve_name(name.c_str());
            INFO(name);
            if (rule.action != profile.default_action) {  // libseccomp refuses to say it twice
                REQUIRE(::seccomp_rule_add_array(context, rule.action, nr,
                                                 static_cast<unsigned>(arguments.size()),
                                                 arguments.data()) == 0);
            }
        }
    }
    const drydock::UniqueFd file(::memfd_create("bpf", MFD_CLOEXEC));
    REQUIRE(::seccomp_export_bpf(context, file.get()) == 0);
    ::seccomp_release(context);
    ::lseek(file.get(), 0, SEEK_SET);
    const std::string bytes = drydock::read_all(file.get(), 1U << 20U, "bpf");
    Filter filter(bytes.size() / sizeof(sock_filter));
    std::memcpy(filter.data(), bytes.data(), bytes.size());
    return filter;
}

/// Every name that both sides know on x86-64, with its number.
std::vector<std::pair<std::string, int>> common_calls() {
    std::vector<std::pair<std::string, int>> calls;
    for (int nr = 0; nr < drydock::end_of_system_calls(); ++nr) {
        if (char* name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr)) {
            calls.emplace_back(name, nr);
            ::free(name);
        }
    }
    return calls;
}

/// The profile without what libseccomp cannot say: names that it does not know, and conditions that
/// are exceptions to a rule without (ioctl and socket, which have a test of their own).
SeccompProfile for_libseccomp(SeccompProfile profile) {
    std::set<std::string> always;
    std::set<std::string> sometimes;
    for (const drydock::SeccompRule& rule : profile.rules) {
        (rule.conditions.empty() ? always : sometimes).insert(rule.names.begin(), rule.names.end());
    }
    for (drydock::SeccompRule& rule : profile.rules) {
        std::erase_if(rule.names, [&](const std::string& name) {
            return !is_known_to_libseccomp(name) ||
                   (always.contains(name) && sometimes.contains(name));
        });
    }
    return profile;
}

constexpr std::uint64_t kBounds[] = {
    0,          1,           5,           0x7fffffff,         0x80000000, 0xfffffffe,
    0xffffffff, 0x100000000, 0x100000005, 0x7fffffff00000000, ~0ULL};
constexpr std::size_t kBoundsOf32Bits = 7;

/// Compares what both filters say about every number, with arguments at and beside every bound that
/// the profile has. Where they differ on purpose ours is expected: a call that is newer than all
/// that the profile names does not exist, and i386's socketcall and ipc, which libseccomp takes
/// apart, have a test of their own.
void check_same_verdicts(const SeccompProfile& profile, std::uint32_t abi, drydock::Abi ours_abi) {
    const Filter ours = drydock::compile_seccomp(profile);
    const Filter theirs = compiled_by_libseccomp(profile);
    int newest = drydock::kFirstSharedCall - 1;
    std::set<std::uint64_t> values(std::begin(kBounds), std::end(kBounds));
    std::set<int> with_conditions;
    for (const drydock::SeccompRule& rule : profile.rules) {
        for (const std::string& name : rule.names) {
            newest = std::max(newest, drydock::system_call_number(name, ours_abi));
            if (!rule.conditions.empty()) {
                with_conditions.insert(drydock::system_call_number(name, ours_abi));
            }
        }
        for (const SeccompCondition& c : rule.conditions) {
            for (const std::uint64_t value : {c.value, c.value_two}) {
                values.insert({value - 1, value, value + 1, value | 1ULL << 40U});
            }
        }
    }
    if (ours_abi == drydock::Abi::I386) {
        std::erase_if(values, [](std::uint64_t value) { return value > 0xffffffff; });
    }
    const bool refuses = profile.default_action == kRefused;
    long compared = 0;
    const auto compare = [&](const seccomp_data& data) {
        std::uint32_t expected = verdict(theirs, data);
        if (refuses && data.nr > newest && data.nr < 0x40000000) {
            expected = SECCOMP_RET_ERRNO | ENOSYS;
        }
        ++compared;
        if (verdict(ours, data) != expected) {
            FAIL("call " << data.nr << " with " << data.args[0] << ", " << data.args[1] << ", "
                         << data.args[2] << ": " << verdict(ours, data) << " != " << expected);
        }
    };
    for (int nr = 0; nr < 1024; ++nr) {
        if (ours_abi == drydock::Abi::I386 && (nr == 102 || nr == 117)) {
            continue;
        }
        if (!with_conditions.contains(nr)) {
            compare(call(nr, {1, 2, 3}, abi));
            continue;
        }
        for (const std::uint64_t a : values) {
            compare(call(nr, {a, a, a}, abi));
            for (const std::uint64_t b : {std::uint64_t{0}, std::uint64_t{5}, a}) {
                compare(call(nr, {b, a, b}, abi));
                compare(call(nr, {a, b, b}, abi));
            }
        }
    }
    CHECK(compared >= 1022);
}

}  // namespace

TEST_CASE("compile_seccomp: random profiles give libseccomp's verdicts, for every call",
          "[02][seccomp]") {
    std::mt19937_64 random(GENERATE(1U, 2U, 3U, 4U, 5U, 6U));
    const bool i386 = GENERATE(false, true);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    // Conditions of libseccomp on 32-bit calls look at the low half of their values alone.
    const auto bound = [&] { return kBounds[below(i386 ? kBoundsOf32Bits : std::size(kBounds))]; };
    SeccompProfile profile{.default_action = below(4) == 0 ? SECCOMP_RET_ALLOW : kRefused,
                           .i386 = i386};
    const std::uint32_t other = profile.default_action == kRefused ? SECCOMP_RET_ALLOW : kRefused;
    for (const auto& [name, nr] : common_calls()) {
        if (below(3) == 0 || (i386 && drydock::system_call_number(name, drydock::Abi::I386) < 0)) {
            continue;
        }
        drydock::SeccompRule rule{.names = {name}, .action = other};
        for (std::uint64_t i = below(8) == 0 ? 1 + below(2) : 0; i > 0; --i) {
            rule.conditions.push_back({.index = static_cast<unsigned>(i),
                                       .op = static_cast<Operator>(below(7)),
                                       .value = bound(),
                                       .value_two = bound()});
            if (rule.conditions.back().op == Operator::MaskedEqual) {
                // libseccomp leaves bits outside the mask in what it compares with; nobody writes
                // such a rule.
                rule.conditions.back().value_two &= rule.conditions.back().value;
            }
        }
        profile.rules.push_back(rule);
    }
    check_same_verdicts(profile, AUDIT_ARCH_X86_64, drydock::Abi::Native);
    if (i386) {
        check_same_verdicts(profile, AUDIT_ARCH_I386, drydock::Abi::I386);
    }
}

TEST_CASE("compile_seccomp: each operator gives libseccomp's verdict around each bound",
          "[02][seccomp]") {
    const auto op = static_cast<Operator>(GENERATE(range(0, 7)));
    const std::uint64_t value = GENERATE(from_range(std::begin(kBounds), std::end(kBounds)));
    const SeccompProfile profile{
        .default_action = kRefused,
        .rules = {
            {.names = {"read"},
             .action = SECCOMP_RET_ALLOW,
             .conditions = {{.index = 0, .op = op, .value = value, .value_two = value & ~1ULL}}}}};
    check_same_verdicts(profile, AUDIT_ARCH_X86_64, drydock::Abi::Native);
}

TEST_CASE("default_seccomp_profile: libseccomp compiles it to the same verdicts", "[02][seccomp]") {
    const auto capabilities =
        GENERATE(drydock::CapabilitySet{0}, drydock::kDefaultCapabilities,
                 drydock::CapabilitySet{1} << 21U, ~drydock::CapabilitySet{0});
    check_same_verdicts(for_libseccomp(drydock::default_seccomp_profile(capabilities)),
                        AUDIT_ARCH_X86_64, drydock::Abi::Native);
}

TEST_CASE("compile_seccomp: calls by x32 and by ABIs that are not asked for end the process",
          "[02][seccomp]") {
    const SeccompProfile profile{.default_action = SECCOMP_RET_ALLOW,
                                 .i386 = GENERATE(false, true)};
    const Filter filter = drydock::compile_seccomp(profile);
    for (int nr = 0; nr < 1024; ++nr) {
        REQUIRE(verdict(filter, call(nr | 0x40000000)) == SECCOMP_RET_KILL_PROCESS);
        REQUIRE(verdict(filter, call(nr, {}, AUDIT_ARCH_AARCH64)) == SECCOMP_RET_KILL_PROCESS);
        REQUIRE((verdict(filter, call(nr, {}, AUDIT_ARCH_I386)) == SECCOMP_RET_KILL_PROCESS) ==
                !profile.i386);
    }
}

TEST_CASE("compile_seccomp: i386's socketcall is shut where a condition on socket would be hidden",
          "[02][seccomp]") {
    SeccompProfile profile{.default_action = kRefused,
                           .rules = {{.names = {"socket", "socketcall"},
                                      .action = SECCOMP_RET_ALLOW,
                                      .conditions = {}}},
                           .i386 = true};
    const auto socketcall = call(102, {1}, AUDIT_ARCH_I386);
    CHECK(verdict(drydock::compile_seccomp(profile), socketcall) == SECCOMP_RET_ALLOW);
    profile.rules.push_back(
        {.names = {"socket"}, .action = kRefused, .conditions = {{.index = 0, .value = 40}}});
    const Filter filter = drydock::compile_seccomp(profile);
    CHECK(verdict(filter, socketcall) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(verdict(filter, call(359, {40}, AUDIT_ARCH_I386)) == kRefused);
    CHECK(verdict(filter, call(359, {2}, AUDIT_ARCH_I386)) == SECCOMP_RET_ALLOW);
}

TEST_CASE("compile_seccomp: what is newer than the profile does not exist", "[02][seccomp]") {
    // As written for docker 20.10, before these calls were made.
    const SeccompProfile old{
        .default_action = kRefused,
        .rules = {{.names = {"read", "openat2", "faccessat2"}, .action = SECCOMP_RET_ALLOW}}};
    const Filter filter = drydock::compile_seccomp(old);
    CHECK(verdict(filter, call(number("mount"))) == kRefused);
    CHECK(verdict(filter, call(number("clone3"))) == kRefused);  // known, and not named
    CHECK(verdict(filter, call(number("fchmodat2"))) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(verdict(filter, call(1000)) == (SECCOMP_RET_ERRNO | ENOSYS));
}

TEST_CASE("compile_seccomp: other ABIs end the process, new calls do not exist", "[02][seccomp]") {
    const Filter filter =
        drydock::compile_seccomp(drydock::default_seccomp_profile(drydock::kDefaultCapabilities));
    CHECK(verdict(filter, call(102, {}, AUDIT_ARCH_I386)) ==
          SECCOMP_RET_KILL_PROCESS);                                       // socketcall of i386
    CHECK(verdict(filter, call(0x40000000)) == SECCOMP_RET_KILL_PROCESS);  // read of x32
    CHECK(verdict(filter, call(-1)) == SECCOMP_RET_KILL_PROCESS);
    CHECK(verdict(filter, call(1023)) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(verdict(filter, call(number("read"))) == SECCOMP_RET_ALLOW);
    CHECK(filter.size() < 256);
}

TEST_CASE("compile_seccomp: rules with conditions come before the one without", "[02][seccomp]") {
    const Filter filter = drydock::compile_seccomp(drydock::default_seccomp_profile(0));
    CHECK(verdict(filter, call(number("socket"), {1})) == SECCOMP_RET_ALLOW);
    CHECK(verdict(filter, call(number("socket"), {40})) == kRefused);  // AF_VSOCK
    CHECK(verdict(filter, call(number("socket"), {0xffffffff00000026})) ==
          kRefused);  // AF_ALG with the high half set
    CHECK(verdict(filter, call(number("ioctl"), {0, 0x5401})) == SECCOMP_RET_ALLOW);  // TCGETS
    CHECK(verdict(filter, call(number("ioctl"), {0, 0x100005412})) ==
          kRefused);  // TIOCSTI, the same way
    CHECK(verdict(filter, call(number("personality"), {8})) == SECCOMP_RET_ALLOW);
    CHECK(verdict(filter, call(number("personality"), {0x400000})) == kRefused);
}

TEST_CASE("default_seccomp_profile: capabilities open what they are for", "[02][seccomp]") {
    const Filter closed =
        drydock::compile_seccomp(drydock::default_seccomp_profile(drydock::kDefaultCapabilities));
    const Filter admin = drydock::compile_seccomp(
        drydock::default_seccomp_profile(drydock::capability("SYS_ADMIN")));
    for (const char* name :
         {"mount", "umount2", "setns", "unshare", "bpf", "perf_event_open", "pivot_root"}) {
        INFO(name);
        CHECK(verdict(closed, call(number(name))) == kRefused);
    }
    CHECK(verdict(admin, call(number("mount"))) == SECCOMP_RET_ALLOW);
    CHECK(verdict(admin, call(number("clone3"))) == SECCOMP_RET_ALLOW);
    CHECK(verdict(closed, call(number("clone3"))) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(verdict(closed, call(number("clone"), {0x11})) == SECCOMP_RET_ALLOW);
    CHECK(verdict(closed, call(number("clone"), {0x10000000})) == kRefused);
    for (const char* name :
         {"io_uring_setup", "keyctl", "add_key", "userfaultfd", "init_module", "kexec_load",
          "reboot", "open_by_handle_at", "swapon", "acct", "quotactl", "syslog"}) {
        INFO(name);
        CHECK(verdict(closed, call(number(name))) == kRefused);
    }
}

TEST_CASE(
    "compile_seccomp: a name that nobody knows is skipped, an allowing default stays allowing",
    "[02][seccomp]") {
    const Filter filter =
        drydock::compile_seccomp({.default_action = SECCOMP_RET_ALLOW,
                                  .rules = {{.names = {"nonsense", "kill"}, .action = kRefused}}});
    CHECK(verdict(filter, call(number("kill"))) == kRefused);
    CHECK(verdict(filter, call(number("tkill"))) == SECCOMP_RET_ALLOW);
    CHECK(verdict(filter, call(1023)) == SECCOMP_RET_ALLOW);
}
