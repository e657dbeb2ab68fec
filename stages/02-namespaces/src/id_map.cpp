#include "02-namespaces/id_map.hpp"

#include <fcntl.h>
#include <grp.h>
#include <unistd.h>

#include <algorithm>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/capabilities.hpp"

namespace drydock {
namespace {

constexpr std::uint32_t kOrdinaryIds = 65536;  // 0 to nobody, with room: what images use

std::string lines(const std::vector<IdRange>& ranges) {
    std::string text;
    for (const IdRange& range : ranges) {
        text += fmt::format("{} {} {}\n", range.inside, range.outside, range.count);
    }
    return text;
}

bool may_set_groups() {
    return has_capabilities(capability("CAP_SETGID"));
}

}  // namespace

IdMaps own_id_maps() {
    if (has_capabilities(capability("CAP_SETUID") | capability("CAP_SETGID"))) {
        return {.uids = {{.inside = 0, .outside = 0, .count = kOrdinaryIds}},
                .gids = {{.inside = 0, .outside = 0, .count = kOrdinaryIds}}};
    }
    return {.uids = {{.inside = 0, .outside = ::geteuid(), .count = 1}},
            .gids = {{.inside = 0, .outside = ::getegid(), .count = 1}}};
}

bool maps(const std::vector<IdRange>& ranges, std::uint32_t id) {
    return std::ranges::any_of(
        ranges, [id](const IdRange& r) { return id >= r.inside && id - r.inside < r.count; });
}

// [region: write-id-maps]
void write_id_maps(pid_t pid, const IdMaps& maps) {
    const std::string process = fmt::format("/proc/{}", pid);
    const UniqueFd dir = open_file(process, O_PATH | O_DIRECTORY);
    if (!may_set_groups()) {
        // Before gid_map: an unprivileged map of groups is refused otherwise (Linux 3.19,
        // CVE-2014-8989).
        write_once(dir.get(), "setgroups", "deny");
    }
    // The kernel takes each of the two once, whole, in a single write.
    write_once(dir.get(), "uid_map", lines(maps.uids));
    write_once(dir.get(), "gid_map", lines(maps.gids));
}
// [/region]

void become_root_inside() {
    check(::setresgid(0, 0, 0), "setresgid(0, 0, 0)");
    check(::setresuid(0, 0, 0), "setresuid(0, 0, 0)");
}

}  // namespace drydock
