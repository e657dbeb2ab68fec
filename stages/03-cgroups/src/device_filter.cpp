#include "device_filter.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <ranges>

#include "01-chroot/check.hpp"
#include "01-chroot/unique_fd.hpp"

namespace drydock {
namespace {

// Registers of the program: r1 is the kernel's context when it begins, r0 what it gives back.
constexpr std::uint8_t kResult = BPF_REG_0;
constexpr std::uint8_t kContext = BPF_REG_1;
constexpr std::uint8_t kType = BPF_REG_2;
constexpr std::uint8_t kAccess = BPF_REG_3;
constexpr std::uint8_t kMajor = BPF_REG_4;
constexpr std::uint8_t kMinor = BPF_REG_5;
constexpr std::uint8_t kScratch = BPF_REG_6;

bpf_insn instruction(unsigned code, std::uint8_t destination, std::uint8_t source,
                     std::int16_t offset, std::int32_t value) {
    bpf_insn result{};
    result.code = static_cast<std::uint8_t>(code);
    result.dst_reg = destination & 0xFU;
    result.src_reg = source & 0xFU;
    result.off = offset;
    result.imm = value;
    return result;
}

bpf_insn load(std::uint8_t destination, std::size_t offset) {
    return instruction(BPF_LDX | BPF_MEM | BPF_W, destination, kContext,
                       static_cast<std::int16_t>(offset), 0);
}
bpf_insn move(std::uint8_t destination, std::uint8_t source) {
    return instruction(BPF_ALU | BPF_MOV | BPF_X, destination, source, 0, 0);
}
bpf_insn set(std::uint8_t destination, std::int32_t value) {
    return instruction(BPF_ALU | BPF_MOV | BPF_K, destination, 0, 0, value);
}
bpf_insn mask(std::uint8_t destination, std::int32_t value) {
    return instruction(BPF_ALU | BPF_AND | BPF_K, destination, 0, 0, value);
}
bpf_insn shift_right(std::uint8_t destination, std::int32_t bits) {
    return instruction(BPF_ALU | BPF_RSH | BPF_K, destination, 0, 0, bits);
}
/// Skips the rest of the rule unless they are equal; append_rule() says how far that is.
bpf_insn unless_equal(std::uint8_t reg, std::int64_t value) {
    return instruction(BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, static_cast<std::int32_t>(value));
}
bpf_insn leave() {
    return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

std::int32_t access_bits(const std::string& access) {
    std::int32_t bits = 0;
    for (const char c : access) {
        bits |= c == 'm'   ? BPF_DEVCG_ACC_MKNOD
                : c == 'r' ? BPF_DEVCG_ACC_READ
                           : BPF_DEVCG_ACC_WRITE;
    }
    return bits;
}

void append_rule(const DeviceRule& rule, std::vector<bpf_insn>& program) {
    std::vector<bpf_insn> body;
    if (rule.type != 'a') {
        body.push_back(
            unless_equal(kType, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
        // An access matches when the rule has all of it: a denial of "w" leaves one that only
        // reads.
        body.push_back(move(kScratch, kAccess));
        body.push_back(mask(kScratch, ~access_bits(rule.access)));
        body.push_back(unless_equal(kScratch, 0));
        if (rule.major >= 0) {
            body.push_back(unless_equal(kMajor, rule.major));
        }
        if (rule.minor >= 0) {
            body.push_back(unless_equal(kMinor, rule.minor));
        }
    }
    body.push_back(set(kResult, rule.allow ? 1 : 0));
    body.push_back(leave());
    for (std::size_t i = 0; i < body.size(); ++i) {
        if (body[i].code == (BPF_JMP | BPF_JNE | BPF_K)) {
            body[i].off = static_cast<std::int16_t>(body.size() - i - 1);
        }
    }
    program.insert(program.end(), body.begin(), body.end());
}

long bpf(int command, bpf_attr& attributes) {
    return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

}  // namespace

// [region: device-filter]
std::vector<bpf_insn> compile_device_filter(std::span<const DeviceRule> rules) {
    std::vector<bpf_insn> program = {
        load(kType, offsetof(bpf_cgroup_dev_ctx, access_type)),  // access << 16 | type
        move(kAccess, kType),
        shift_right(kAccess, 16),
        mask(kType, 0xFFFF),
        load(kMajor, offsetof(bpf_cgroup_dev_ctx, major)),
        load(kMinor, offsetof(bpf_cgroup_dev_ctx, minor)),
    };
    // The last rule that matches decides, so the last is asked first.
    for (const DeviceRule& rule : rules | std::views::reverse) {
        append_rule(rule, program);
        if (rule.type == 'a') {
            return program;  // it decides about everything; what stands before it is never asked
        }
    }
    program.push_back(set(kResult, 0));
    program.push_back(leave());
    return program;
}
// [/region]

void attach_device_filter(int group, std::span<const DeviceRule> rules) {
    const std::vector<bpf_insn> program = compile_device_filter(rules);
    bpf_attr load_attributes{};
    load_attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load_attributes.insns = reinterpret_cast<std::uintptr_t>(program.data());
    load_attributes.insn_cnt = static_cast<std::uint32_t>(program.size());
    load_attributes.license = reinterpret_cast<std::uintptr_t>("Apache-2.0");
    const UniqueFd loaded(static_cast<int>(
        check(bpf(BPF_PROG_LOAD, load_attributes),
              "bpf(BPF_PROG_LOAD, BPF_PROG_TYPE_CGROUP_DEVICE, {} instructions)", program.size())));
    bpf_attr attach_attributes{};
    attach_attributes.target_fd = static_cast<std::uint32_t>(group);
    attach_attributes.attach_bpf_fd = static_cast<std::uint32_t>(loaded.get());
    attach_attributes.attach_type = BPF_CGROUP_DEVICE;
    // Beside those of the groups above (systemd has some): each of them may deny.
    attach_attributes.attach_flags = BPF_F_ALLOW_MULTI;
    check(bpf(BPF_PROG_ATTACH, attach_attributes), "bpf(BPF_PROG_ATTACH, BPF_CGROUP_DEVICE)");
}

}  // namespace drydock
