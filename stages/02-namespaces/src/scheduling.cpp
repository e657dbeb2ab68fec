#include "02-namespaces/scheduling.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock {
namespace {

template <class Value>
using Named = std::pair<std::string_view, Value>;

constexpr Named<int> kIoClasses[] = {
    {"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
// Of <linux/sched.h>, which does not go together with <sched.h>.
constexpr Named<std::uint32_t> kPolicies[] = {
    {"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2},       {"SCHED_BATCH", 3},
    {"SCHED_ISO", 4},   {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6},
};
constexpr Named<std::uint64_t> kSchedFlags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", 0x01},  {"SCHED_FLAG_RECLAIM", 0x02},
    {"SCHED_FLAG_DL_OVERRUN", 0x04},     {"SCHED_FLAG_KEEP_POLICY", 0x08},
    {"SCHED_FLAG_KEEP_PARAMS", 0x10},    {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40},
};

template <class Value, std::size_t N>
Value named_value(const Named<Value> (&table)[N], std::string_view name) {
    const auto* found = std::ranges::find(table, name, &Named<Value>::first);
    if (found == std::end(table)) {
        throw InputError(fmt::format("\"{}\": expected a name such as {}", name, table[0].first));
    }
    return found->second;
}

/// As the kernel takes it. @see sched_setattr(2)
struct SchedAttributes {
    std::uint32_t size = 48;  // SCHED_ATTR_SIZE_VER0
    std::uint32_t policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0;
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
};
static_assert(sizeof(SchedAttributes) == 48);

[[noreturn]] void throw_no_cpu_list(const std::string& list) {
    throw InputError(fmt::format("CPUs \"{}\": expected a list such as 0-3,7 of at most {}", list,
                                 CPU_SETSIZE - 1));
}

std::size_t cpu_number(std::string_view text, const std::string& list) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number >= CPU_SETSIZE) {
        throw_no_cpu_list(list);
    }
    return number;
}

cpu_set_t cpus_in(const std::string& list) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    std::string_view rest = list;
    while (true) {
        const auto comma = rest.find(',');
        const std::string_view range = rest.substr(0, comma);
        const auto dash = range.find('-');
        const std::size_t first = cpu_number(range.substr(0, dash), list);
        const std::size_t last =
            dash == std::string_view::npos ? first : cpu_number(range.substr(dash + 1), list);
        if (last < first) {
            throw_no_cpu_list(list);
        }
        for (std::size_t cpu = first; cpu <= last; ++cpu) {
            CPU_SET(cpu, &cpus);
        }
        if (comma == std::string_view::npos) {
            return cpus;
        }
        rest.remove_prefix(comma + 1);
    }
}

}  // namespace

int io_priority_class(std::string_view name) {
    return named_value(kIoClasses, name);
}

std::uint32_t scheduling_policy(std::string_view name) {
    return named_value(kPolicies, name);
}

std::uint64_t scheduling_flag(std::string_view name) {
    return named_value(kSchedFlags, name);
}

void set_io_priority(const IoPriority& priority) {
    constexpr int kThisProcess = 1;  // IOPRIO_WHO_PROCESS, with 0 as the process
    constexpr int kClassShift = 13;
    check(
        ::syscall(SYS_ioprio_set, kThisProcess, 0, priority.class_ << kClassShift | priority.level),
        "ioprio_set(IOPRIO_WHO_PROCESS, 0, class={}, level={})", priority.class_, priority.level);
}

void set_scheduling(const SchedulingPolicy& policy) {
    SchedAttributes attributes{.policy = policy.policy,
                               .flags = policy.flags,
                               .nice = policy.nice,
                               .priority = policy.priority,
                               .runtime = policy.runtime_ns,
                               .deadline = policy.deadline_ns,
                               .period = policy.period_ns};
    check(::syscall(SYS_sched_setattr, 0, &attributes, 0),
          "sched_setattr(policy={}, flags={:#x}, nice={}, priority={}, runtime={}, deadline={}, "
          "period={})",
          policy.policy, policy.flags, policy.nice, policy.priority, policy.runtime_ns,
          policy.deadline_ns, policy.period_ns);
}

void set_cpu_affinity(const std::string& list) {
    const cpu_set_t cpus = cpus_in(list);
    const int rc = ::sched_setaffinity(0, sizeof cpus, &cpus);
    if (rc == -1 && errno == EINVAL) {
        throw InputError(fmt::format("CPUs \"{}\": none of them may be used here", list));
    }
    check(rc, "sched_setaffinity({})", list);
}

}  // namespace drydock
