#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "02-namespaces/namespaces.hpp"

#include "bundle_sections.hpp"

namespace drydock {
namespace {

struct NamespaceKind {
    std::string_view type;
    std::uint64_t flag;
    const char* own;
};
constexpr std::array kNamespaceKinds = {
    NamespaceKind{"user", CLONE_NEWUSER, "/proc/self/ns/user"},
    NamespaceKind{"pid", CLONE_NEWPID, "/proc/self/ns/pid"},
    NamespaceKind{"network", CLONE_NEWNET, "/proc/self/ns/net"},
    NamespaceKind{"mount", CLONE_NEWNS, "/proc/self/ns/mnt"},
    NamespaceKind{"ipc", CLONE_NEWIPC, "/proc/self/ns/ipc"},
    NamespaceKind{"uts", CLONE_NEWUTS, "/proc/self/ns/uts"},
    NamespaceKind{"cgroup", CLONE_NEWCGROUP, "/proc/self/ns/cgroup"},
    NamespaceKind{"time", CLONE_NEWTIME, "/proc/self/ns/time"},
};

/// A path that leads to our own namespace asks for none of its own.
bool is_own(const std::string& path, const NamespaceKind& kind) {
    struct stat asked{};
    struct stat own{};
    if (::stat(path.c_str(), &asked) != 0) {
        throw InputError(fmt::format(
            "config.json: /linux/namespaces: {} namespace: {}: no such file", kind.type, path));
    }
    check(::stat(kind.own, &own), "stat({})", kind.own);
    return asked.st_dev == own.st_dev && asked.st_ino == own.st_ino;
}

void join(const oci::Namespace& ns, const NamespaceKind& kind, stage03::Options& options) {
    if (!is_own(ns.path, kind)) {
        options.joined.push_back({.path = ns.path, .flag = kind.flag});
    } else if (kind.flag == CLONE_NEWNS) {
        throw InputError(
            "config.json: /linux/namespaces: expected a mount namespace that is not the host's: "
            "what the container mounts would be mounted there");
    }
}

void require(bool met, std::string_view property, std::string_view type, std::string_view why) {
    if (!met) {
        throw InputError(fmt::format("config.json: {}: expected a \"{}\" among /linux/namespaces{}",
                                     property, type, why));
    }
}

void set_clocks(const oci::Linux& linux_, std::uint64_t own, stage03::Options& options) {
    for (const auto& [name, offset] : linux_.time_offsets) {
        require((options.namespaces & CLONE_NEWTIME) != 0 || (own & CLONE_NEWTIME) == 0,
                "/linux/timeOffsets", "time", " without a path");
        require((own & CLONE_NEWTIME) != 0, "/linux/timeOffsets", "time", "");
        options.clock_offsets.push_back(
            {.clock = name == "monotonic" ? CLOCK_MONOTONIC : CLOCK_BOOTTIME,
             .seconds = offset.secs,
             .nanoseconds = offset.nanosecs});
    }
}

void set_maps(const oci::Linux& linux_, stage03::Options& options) {
    const bool mapped = !linux_.uid_mappings.empty() || !linux_.gid_mappings.empty();
    const bool user = (options.namespaces & CLONE_NEWUSER) != 0;
    require(user || !mapped, "/linux/uidMappings", "user",
            " without a path: one that is joined has its own");
    if (user && (linux_.uid_mappings.empty() || linux_.gid_mappings.empty())) {
        throw InputError(
            "config.json: /linux: expected \"uidMappings\" and \"gidMappings\" for a new user "
            "namespace");
    }
    options.id_maps = {.uids = id_ranges(linux_.uid_mappings),
                       .gids = id_ranges(linux_.gid_mappings)};
}

}  // namespace

std::vector<IdRange> id_ranges(const std::vector<oci::IdMapping>& mappings) {
    std::vector<IdRange> ranges;
    ranges.reserve(mappings.size());
    for (const oci::IdMapping& m : mappings) {
        ranges.push_back({.inside = m.container_id, .outside = m.host_id, .count = m.size});
    }
    return ranges;
}

std::vector<std::string_view> namespace_names() {
    std::vector<std::string_view> names;
    for (const NamespaceKind& kind : kNamespaceKinds) {
        names.push_back(kind.type);
    }
    std::ranges::sort(names);
    return names;
}

void set_namespaces(const oci::Config& config, stage03::Options& options) {
    for (const oci::Namespace& ns : config.linux_.namespaces) {
        const NamespaceKind& kind =
            *std::ranges::find(kNamespaceKinds, ns.type, &NamespaceKind::type);
        if (ns.path.empty()) {
            options.namespaces |= kind.flag;
        } else {
            join(ns, kind, options);
        }
    }
    // Root joins a user namespace last: inside of it, namespaces of the host are out of reach. For
    // anybody else it is the only way to the privileges that joining takes.
    const bool user_last = may_make_namespaces();
    std::ranges::stable_sort(options.joined, [user_last](const auto& a, const auto& b) {
        const auto& first = user_last ? b : a;
        const auto& then = user_last ? a : b;
        return first.flag == CLONE_NEWUSER && then.flag != CLONE_NEWUSER;
    });
    std::uint64_t own = options.namespaces;
    for (const stage03::JoinedNamespace& joined : options.joined) {
        own |= joined.flag;
    }
    // In the host's mount namespace everything below would happen to the host.
    require((own & CLONE_NEWNS) != 0, "/linux/namespaces", "mount", "");
    // A container never sees the host's tree of groups, whether it asks for this or not
    // (CVE-2022-0492).
    if ((own & CLONE_NEWCGROUP) == 0) {
        options.namespaces |= CLONE_NEWCGROUP;
    }
    constexpr std::string_view kNameWouldChange = "; the host's name would change";
    require(config.hostname.empty() || (own & CLONE_NEWUTS) != 0, "/hostname", "uts",
            kNameWouldChange);
    require(config.domainname.empty() || (own & CLONE_NEWUTS) != 0, "/domainname", "uts",
            kNameWouldChange);
    options.hostname = config.hostname;
    options.domainname = config.domainname;
    options.own_namespaces = own;
    set_maps(config.linux_, options);
    set_clocks(config.linux_, own, options);
}

}  // namespace drydock
