#include "02-namespaces/user.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <optional>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"
#include "02-namespaces/capabilities.hpp"

namespace drydock {
namespace {

constexpr std::size_t kLargest = std::size_t{4} << 20U;  // of /etc/passwd and /etc/group
constexpr std::uint32_t kNoId = 0xffffffff;              // -1: "leave it as it is" to setresuid(2)

using Fields = std::vector<std::string_view>;

Fields split(std::string_view text, char separator) {
    Fields fields;
    while (true) {
        const auto end = text.find(separator);
        fields.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return fields;
        }
        text.remove_prefix(end + 1);
    }
}

std::optional<std::uint32_t> as_id(std::string_view text) {
    std::uint32_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    return error == std::errc() && end == text.data() + text.size() && id != kNoId
               ? std::optional(id)
               : std::nullopt;
}

/// What can be no name and must not be taken for one: "-1", "4294967296", "0x0", " 0".
bool looks_like_number(std::string_view text) {
    return text.find_first_not_of(" +-0123456789") == std::string_view::npos ||
           text.starts_with("0x");
}

/// A file of the image as text; "" when it is not there. The image may have put anything in its
/// place: a pipe that never ends, a device, a link to the host.
std::string text_in_root(int root, const std::string& path) {
    const UniqueFd fd = open_in_root_if_there(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!fd) {
        return {};
    }
    struct stat status{};
    check(::fstat(fd.get(), &status), "fstat({})", path);
    if (!S_ISREG(status.st_mode)) {
        throw InputError(fmt::format("{} in the root: expected a regular file", path));
    }
    return read_all(fd.get(), kLargest, path);
}

std::uint32_t id_from(std::string_view what, std::string_view text,
                      const std::optional<Fields>& entry, std::string_view file) {
    if (const auto id = as_id(text)) {
        return *id;
    }
    if (looks_like_number(text)) {
        throw InputError(
            fmt::format("{} \"{}\": expected an ID from 0 to 4294967294 or a name", what, text));
    }
    const auto id = entry ? as_id((*entry)[2]) : std::nullopt;
    if (!id) {
        throw InputError(fmt::format("{} \"{}\": not in {} of the root", what, text, file));
    }
    return *id;
}

/// The line of passwd(5) or group(5) whose name is `text` or, for a number, whose ID is.
std::optional<Fields> find_entry(std::string_view file, std::string_view text) {
    const auto id = as_id(text);
    for (const std::string_view line : split(file, '\n')) {
        Fields fields = split(line, ':');
        if (fields.size() >= 3 && (id ? as_id(fields[2]) == id : fields[0] == text)) {
            return fields;
        }
    }
    return std::nullopt;
}

/// The groups whose member lists have `name`.
std::vector<gid_t> groups_with(std::string_view file, std::string_view name) {
    std::vector<gid_t> groups;
    for (const std::string_view line : split(file, '\n')) {
        const Fields fields = split(line, ':');
        if (fields.size() >= 4 && std::ranges::count(split(fields[3], ','), name) != 0) {
            if (const auto id = as_id(fields[2])) {
                groups.push_back(*id);
            }
        }
    }
    return groups;
}

void check_mapped(int rc, std::string_view call, std::uint32_t id) {
    if (rc == -1 && errno == EINVAL) {
        throw InputError(fmt::format("user: ID {} is not mapped in this user namespace", id));
    }
    check(rc, "{}({})", call, id);
}

void set_groups(const std::vector<gid_t>& groups) {
    const int rc = ::setgroups(groups.size(), groups.data());
    const int error = errno;
    // With the privilege, EPERM is that of a user namespace that has it denied for good, as one
    // with a single ID (id_map.hpp). /proc/self/setgroups would say so, but who joins a container
    // has no /proc/self there yet.
    if (rc == -1 && error == EPERM && has_capabilities(capability("CAP_SETGID"))) {
        return;
    }
    errno = error;
    check(rc, "setgroups(size={})", groups.size());
}

}  // namespace

User find_user(int root, std::string_view text) {
    const auto colon = text.find(':');
    const std::string_view name = text.substr(0, colon).empty() ? "0" : text.substr(0, colon);
    const std::string passwd = text_in_root(root, "/etc/passwd");
    const std::string group = text_in_root(root, "/etc/group");
    const std::optional<Fields> entry = find_entry(passwd, name);
    User user{.uid = id_from("user", name, entry, "/etc/passwd")};
    if (entry && entry->size() >= 6 && !(*entry)[5].empty()) {
        user.home = (*entry)[5];
    }
    if (colon != std::string_view::npos) {
        const std::string_view group_name = text.substr(colon + 1);
        user.gid = id_from("group", group_name, find_entry(group, group_name), "/etc/group");
        user.groups = {user.gid};
        return user;
    }
    if (entry && entry->size() >= 4) {
        user.gid = as_id((*entry)[3]).value_or(0);
        user.groups = groups_with(group, (*entry)[0]);
    }
    if (std::ranges::count(user.groups, user.gid) == 0) {
        // The primary group belongs to the list as well: a file mode that shuts it out must
        // (CVE-2022-36109).
        user.groups.insert(user.groups.begin(), user.gid);
    }
    return user;
}

// [region: become-user]
void become_user(const User& user) {
    int death_signal = 0;
    check(::prctl(PR_GET_PDEATHSIG, &death_signal), "prctl(PR_GET_PDEATHSIG)");
    check(::prctl(PR_SET_KEEPCAPS, 1), "prctl(PR_SET_KEEPCAPS, 1)");
    set_groups(user.groups);
    check_mapped(::setresgid(user.gid, user.gid, user.gid), "setresgid", user.gid);
    check_mapped(::setresuid(user.uid, user.uid, user.uid), "setresuid", user.uid);
    // The kernel forgets it whenever a process changes its user.
    check(::prctl(PR_SET_PDEATHSIG, death_signal), "prctl(PR_SET_PDEATHSIG, {})", death_signal);
}
// [/region]

}  // namespace drydock
