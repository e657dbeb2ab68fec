#include "02-namespaces/rlimits.hpp"

#include <algorithm>
#include <array>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "02-namespaces/capabilities.hpp"

namespace drydock {
namespace {

struct Kind {
    std::string_view name;
    __rlimit_resource resource;
};
constexpr std::array kKinds = {
    Kind{"RLIMIT_AS", RLIMIT_AS},
    Kind{"RLIMIT_CORE", RLIMIT_CORE},
    Kind{"RLIMIT_CPU", RLIMIT_CPU},
    Kind{"RLIMIT_DATA", RLIMIT_DATA},
    Kind{"RLIMIT_FSIZE", RLIMIT_FSIZE},
    Kind{"RLIMIT_LOCKS", RLIMIT_LOCKS},
    Kind{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    Kind{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    Kind{"RLIMIT_NICE", RLIMIT_NICE},
    Kind{"RLIMIT_NOFILE", RLIMIT_NOFILE},
    Kind{"RLIMIT_NPROC", RLIMIT_NPROC},
    Kind{"RLIMIT_RSS", RLIMIT_RSS},
    Kind{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    Kind{"RLIMIT_RTTIME", RLIMIT_RTTIME},
    Kind{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    Kind{"RLIMIT_STACK", RLIMIT_STACK},
};

__rlimit_resource resource_of(std::string_view name) {
    const auto* kind = std::ranges::find(kKinds, name, &Kind::name);
    if (kind == kKinds.end()) {
        throw InputError(
            fmt::format("rlimit {}: expected a name of setrlimit(2), such as RLIMIT_NOFILE", name));
    }
    return kind->resource;
}

/// `wanted`, no higher than the hard limit that only CAP_SYS_RESOURCE may raise.
Rlimit cut_to_own(const Rlimit& wanted) {
    rlimit own{};
    check(::getrlimit(resource_of(wanted.name), &own), "getrlimit({})", wanted.name);
    return {.name = wanted.name,
            .soft = std::min(wanted.soft, own.rlim_max),
            .hard = std::min(wanted.hard, own.rlim_max)};
}

}  // namespace

std::vector<Rlimit> default_rlimits() {
    return {cut_to_own({.name = "RLIMIT_NOFILE", .soft = 1024, .hard = 524288}),
            cut_to_own({.name = "RLIMIT_CORE", .soft = 0, .hard = RLIM_INFINITY})};
}

void check_rlimit(const Rlimit& limit) {
    rlimit own{};
    check(::getrlimit(resource_of(limit.name), &own), "getrlimit({})", limit.name);
    if (limit.hard > own.rlim_max && !has_capabilities(capability("CAP_SYS_RESOURCE"))) {
        throw InputError(
            fmt::format("{}: expected a hard limit of at most {}, our own (to go above takes "
                        "CAP_SYS_RESOURCE), got {}",
                        limit.name, own.rlim_max, limit.hard));
    }
}

void set_rlimits(std::span<const Rlimit> limits) {
    for (const Rlimit& limit : limits) {
        const rlimit value{.rlim_cur = limit.soft, .rlim_max = limit.hard};
        check(::setrlimit(resource_of(limit.name), &value), "setrlimit({}, soft={}, hard={})",
              limit.name, limit.soft, limit.hard);
    }
}

}  // namespace drydock
