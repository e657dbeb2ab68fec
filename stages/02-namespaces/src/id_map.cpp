#include "02-namespaces/id_map.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
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

bool may_map_all() {
    return has_capabilities(capability("CAP_SETGID") | capability("CAP_SETUID"));
}

/// The kernel lets anybody map this one.
bool is_own_id(const std::vector<IdRange>& ranges, std::uint32_t own) {
    return ranges.size() == 1 && ranges[0].count == 1 && ranges[0].outside == own;
}

/// newuidmap(1) or newgidmap(1): they have the privilege, and give what /etc/subuid or /etc/subgid
/// gives this user.
void map_with_program(const char* program, pid_t pid, const std::vector<IdRange>& ranges) {
    std::vector<std::string> arguments = {program, std::to_string(pid)};
    for (const IdRange& range : ranges) {
        for (const std::uint32_t number : {range.inside, range.outside, range.count}) {
            arguments.push_back(std::to_string(number));
        }
    }
    Pipe errors = make_pipe();
    Child child = clone_child(0);
    if (!child) {
        std::vector<char*> argv;
        for (std::string& argument : arguments) {
            argv.push_back(argument.data());
        }
        argv.push_back(nullptr);
        ::dup2(errors.write.get(), STDERR_FILENO);
        ::execvp(program, argv.data());
        ::_exit(kNotFound);
    }
    errors.write.close();
    constexpr std::size_t kLongest = 65536;
    std::string text = read_all(errors.read.get(), kLongest, program);
    if (const int status = child.wait(); status != 0) {
        text = text.substr(0, text.find('\n'));
        throw SetupError(
            fmt::format("{}; expected these ranges of IDs for user {} in /etc/{}",
                        status == kNotFound ? fmt::format("{}: no such program", program) : text,
                        ::getuid(), std::string_view(program) == "newuidmap" ? "subuid" : "subgid"),
            std::make_error_code(std::errc::operation_not_permitted), kSetupFailed);
    }
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
    const bool all = may_map_all();
    // The kernel takes each of the two once, whole, in a single write.
    if (all || is_own_id(maps.uids, ::geteuid())) {
        write_once(dir.get(), "uid_map", lines(maps.uids));
    } else {
        map_with_program("newuidmap", pid, maps.uids);
    }
    if (!all && is_own_id(maps.gids, ::getegid())) {
        // Before gid_map: an unprivileged map of groups is refused otherwise (Linux 3.19,
        // CVE-2014-8989).
        write_once(dir.get(), "setgroups", "deny");
    } else if (!all) {
        map_with_program("newgidmap", pid, maps.gids);
        return;
    }
    write_once(dir.get(), "gid_map", lines(maps.gids));
}
// [/region]

UniqueFd user_namespace_with(const IdMaps& maps) {
    Pipe alive = make_pipe();
    Child child = clone_child(CLONE_NEWUSER);
    if (!child) {
        // Until we are gone, however we go.
        alive.write = UniqueFd();
        char none = 0;
        while (::read(alive.read.get(), &none, 1) == -1 && errno == EINTR) {
        }
        ::_exit(0);
    }
    write_id_maps(child.pid(), maps);
    return open_file(fmt::format("/proc/{}/ns/user", child.pid()), O_RDONLY);
}

void become_root_inside() {
    check(::setresgid(0, 0, 0), "setresgid(0, 0, 0)");
    check(::setresuid(0, 0, 0), "setresuid(0, 0, 0)");
}

void become_first_inside(const IdMaps& maps_inside) {
    const auto first = [](const std::vector<IdRange>& ranges) {
        return ranges.empty() || maps(ranges, 0) ? 0 : ranges.front().inside;
    };
    const std::uint32_t gid = first(maps_inside.gids);
    const std::uint32_t uid = first(maps_inside.uids);
    // Groups of the host that nobody named: what they may do, the container could.
    if (::setgroups(0, nullptr) == -1 && errno != EPERM) {
        check(-1, "setgroups(size=0)");
    }
    check(::setresgid(gid, gid, gid), "setresgid({})", gid);
    check(::setresuid(uid, uid, uid), "setresuid({})", uid);
}

}  // namespace drydock
