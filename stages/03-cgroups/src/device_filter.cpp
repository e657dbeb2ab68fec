#include "device_filter.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
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
bpf_insn unless_different(std::uint8_t reg, std::int32_t value) {
    return instruction(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, 0, value);
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

/// Appends what one rule does. Of the accesses asked for, those that no later rule has decided are
/// in kAccess: a denial of one of them ends it, and what is allowed is taken out until none is
/// left.
void append_rule(const DeviceRule& rule, std::vector<bpf_insn>& program) {
    std::vector<bpf_insn> body;
    if (rule.type != 'a') {
        body.push_back(
            unless_equal(kType, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
    }
    if (rule.major >= 0) {
        body.push_back(unless_equal(kMajor, rule.major));
    }
    if (rule.minor >= 0) {
        body.push_back(unless_equal(kMinor, rule.minor));
    }
    const std::int32_t bits = access_bits(rule.access);
    if (rule.allow) {
        body.push_back(mask(kAccess, ~bits));
        body.push_back(unless_equal(kAccess, 0));
    } else {
        body.push_back(move(kScratch, kAccess));
        body.push_back(mask(kScratch, bits));
        body.push_back(unless_different(kScratch, 0));
    }
    body.push_back(set(kResult, rule.allow ? 1 : 0));
    body.push_back(leave());
    for (std::size_t i = 0; i < body.size(); ++i) {
        if (BPF_CLASS(body[i].code) == BPF_JMP && body[i].code != (BPF_JMP | BPF_EXIT)) {
            body[i].off = static_cast<std::int16_t>(body.size() - i - 1);
        }
    }
    program.insert(program.end(), body.begin(), body.end());
}

bool decides_everything(const DeviceRule& rule) {
    return rule.type == 'a' && rule.major < 0 && rule.minor < 0 && rule.access.size() == 3;
}

long bpf(int command, bpf_attr& attributes) {
    return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

/// The programs that decide about this very group's devices, not those above it.
std::vector<UniqueFd> attached_filters(int group) {
    std::array<std::uint32_t, 64> ids{};  // the kernel's own limit for one group
    bpf_attr query{};
    query.query.target_fd = static_cast<std::uint32_t>(group);
    query.query.attach_type = BPF_CGROUP_DEVICE;
    query.query.prog_ids = reinterpret_cast<std::uintptr_t>(ids.data());
    query.query.prog_cnt = ids.size();
    check(bpf(BPF_PROG_QUERY, query), "bpf(BPF_PROG_QUERY, BPF_CGROUP_DEVICE)");
    std::vector<UniqueFd> filters;
    for (std::uint32_t i = 0; i < query.query.prog_cnt; ++i) {
        bpf_attr by_id{};
        by_id.prog_id = ids.at(i);
        filters.emplace_back(static_cast<int>(
            check(bpf(BPF_PROG_GET_FD_BY_ID, by_id), "bpf(BPF_PROG_GET_FD_BY_ID, {})", ids.at(i))));
    }
    return filters;
}

void detach_filter(int group, int program) {
    bpf_attr attributes{};
    attributes.target_fd = static_cast<std::uint32_t>(group);
    attributes.attach_bpf_fd = static_cast<std::uint32_t>(program);
    attributes.attach_type = BPF_CGROUP_DEVICE;
    check(bpf(BPF_PROG_DETACH, attributes), "bpf(BPF_PROG_DETACH, BPF_CGROUP_DEVICE)");
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
        if (decides_everything(rule)) {
            break;  // what stands before it is never asked
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
    const std::vector<UniqueFd> before = attached_filters(group);
    bpf_attr attach_attributes{};
    attach_attributes.target_fd = static_cast<std::uint32_t>(group);
    attach_attributes.attach_bpf_fd = static_cast<std::uint32_t>(loaded.get());
    attach_attributes.attach_type = BPF_CGROUP_DEVICE;
    // Beside those of the groups above (systemd has some): each of them may deny.
    attach_attributes.attach_flags = BPF_F_ALLOW_MULTI;
    if (before.size() == 1) {
        // In one step, so that there is no moment without a filter (Linux 5.6).
        attach_attributes.attach_flags |= BPF_F_REPLACE;
        attach_attributes.replace_bpf_fd = static_cast<std::uint32_t>(before[0].get());
    }
    check(bpf(BPF_PROG_ATTACH, attach_attributes), "bpf(BPF_PROG_ATTACH, BPF_CGROUP_DEVICE)");
    if (before.size() > 1) {
        // All have to allow, so the new one denies already while the old ones go.
        for (const UniqueFd& old : before) {
            detach_filter(group, old.get());
        }
    }
}

}  // namespace drydock
