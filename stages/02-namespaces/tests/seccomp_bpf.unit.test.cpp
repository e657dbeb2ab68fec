#include "02-namespaces/seccomp_bpf.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <seccomp.h>

#include "01-chroot/file.hpp"

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

/// What libseccomp makes of the same profile.
Filter compiled_by_libseccomp(const SeccompProfile& profile) {
    constexpr scmp_compare kOperators[] = {SCMP_CMP_EQ, SCMP_CMP_NE, SCMP_CMP_LT,       SCMP_CMP_LE,
                                           SCMP_CMP_GT, SCMP_CMP_GE, SCMP_CMP_MASKED_EQ};
    scmp_filter_ctx context = ::seccomp_init(profile.default_action);
    for (const drydock::SeccompRule& rule : profile.rules) {
        std::vector<scmp_arg_cmp> arguments;
        for (const SeccompCondition& c : rule.conditions) {
            arguments.push_back(
                {c.index, kOperators[static_cast<int>(c.op)], c.value, c.value_two});
        }
        for (const std::string& name : rule.names) {
            REQUIRE(::seccomp_rule_add_array(context, rule.action, number(name.c_str()),
                                             static_cast<unsigned>(arguments.size()),
                                             arguments.data()) == 0);
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

bool known(int nr) {
    char* name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
    ::free(name);
    return name != nullptr;
}

}  // namespace

TEST_CASE("compile_seccomp: random profiles give libseccomp's verdicts, for every call",
          "[02][seccomp]") {
    std::mt19937_64 random(GENERATE(1, 2, 3, 4, 5, 6, 7, 8));
    const auto below = [&](std::uint64_t n) { return random() % n; };
    const std::uint64_t interesting[] = {
        0, 1, 5, 0xffffffff, 0x100000000, 0x100000005, 0x7fffffff00000000, ~0ULL};
    SeccompProfile profile{.default_action = kRefused};
    for (int nr = 0; nr < 440; ++nr) {
        char* name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
        if (name != nullptr && below(3) != 0) {
            drydock::SeccompRule rule{.names = {name}, .action = SECCOMP_RET_ALLOW};
            for (std::uint64_t i = below(8) == 0 ? 1 + below(2) : 0; i > 0; --i) {
                rule.conditions.push_back({.index = static_cast<unsigned>(i),
                                           .op = static_cast<Operator>(below(7)),
                                           .value = interesting[below(8)],
                                           .value_two = interesting[below(8)]});
                if (rule.conditions.back().op == Operator::MaskedEqual) {
                    // libseccomp leaves bits outside the mask in what it compares with; nobody
                    // writes such a rule.
                    rule.conditions.back().value_two &= rule.conditions.back().value;
                }
            }
            profile.rules.push_back(rule);
        }
        ::free(name);
    }
    const Filter ours = drydock::compile_seccomp(profile);
    const Filter theirs = compiled_by_libseccomp(profile);
    for (int nr = 0; nr < 450; ++nr) {
        for (const std::uint64_t a :
             known(nr) ? std::vector(std::begin(interesting), std::end(interesting))
                       : std::vector<std::uint64_t>{}) {
            const seccomp_data data = call(nr, {a, a, interesting[below(8)]});
            if (verdict(ours, data) != verdict(theirs, data)) {
                FAIL("call " << nr << " with " << a << ": " << verdict(ours, data)
                             << " != " << verdict(theirs, data));
            }
        }
    }
    SUCCEED("no call differs");
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
