#include "05-images/user_lookup.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

constexpr std::uint32_t kMaxId =
    4'294'967'294;  // 2^32 - 1 means "leave it" to chown(2) and setresuid(2)

/// The fields of each line of passwd(5) or group(5) that has enough of them.
std::vector<std::vector<std::string>> lines_of(const std::optional<std::string>& text,
                                               std::size_t fields) {
    std::vector<std::vector<std::string>> result;
    std::string_view rest = text ? std::string_view(*text) : std::string_view{};
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        std::string_view line = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        std::vector<std::string> parts;
        while (true) {
            const std::size_t colon = line.find(':');
            parts.emplace_back(line.substr(0, colon));
            if (colon == std::string_view::npos) {
                break;
            }
            line.remove_prefix(colon + 1);
        }
        if (parts.size() >= fields && !parts[0].empty() && parts[0][0] != '#') {
            result.push_back(std::move(parts));
        }
    }
    return result;
}

bool is_decimal(char c) {
    return c >= '0' && c <= '9';
}

/// A number from the image's own files; nothing when it is none.
std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > kMaxId) {
        return std::nullopt;
    }
    return value;
}

/// A number if `text` is all digits. What looks like a number and is none would be looked up as a
/// name, and an image could have that name: refused.
std::optional<std::uint32_t> number_or_name(std::string_view text, std::string_view kind) {
    if (!text.empty() && std::ranges::all_of(text, is_decimal)) {
        if (const auto value = number(text)) {
            return value;
        }
        throw InputError(fmt::format("{} {}: out of range; expected 0 to {}", kind, text, kMaxId));
    }
    const auto in_name = [](char c) {
        return is_decimal(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("_.-$@").find(c) != std::string_view::npos;
    };
    if (text.empty() || is_decimal(text.front()) || text.front() == '-' ||
        !std::ranges::all_of(text, in_name)) {
        throw InputError(fmt::format("{} \"{}\": expected a name or a number", kind, text));
    }
    return std::nullopt;
}

std::uint32_t group_number(std::string_view text, const ReadImageFile& read) {
    if (const auto value = number_or_name(text, "group")) {
        return *value;
    }
    for (const std::vector<std::string>& line : lines_of(read("/etc/group"), 3)) {
        if (line[0] == text) {
            if (const auto value = number(line[2])) {
                return *value;
            }
        }
    }
    throw InputError(fmt::format(
        "unable to find group {}: no matching entries in the image's /etc/group", text));
}

struct PasswdLine {
    std::string name{};
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::string home{};
};

std::optional<PasswdLine> passwd_line(std::string_view name, std::optional<std::uint32_t> uid,
                                      const ReadImageFile& read) {
    for (const std::vector<std::string>& line : lines_of(read("/etc/passwd"), 6)) {
        const auto line_uid = number(line[2]);
        const auto line_gid = number(line[3]);
        if (line_uid && line_gid && (uid ? *line_uid == *uid : line[0] == name)) {
            return PasswdLine{.name = line[0], .uid = *line_uid, .gid = *line_gid, .home = line[5]};
        }
    }
    return std::nullopt;
}

/// The groups whose line names the user.
void add_memberships(const std::string& user, const ReadImageFile& read,
                     std::vector<std::uint32_t>& gids) {
    for (const std::vector<std::string>& line : lines_of(read("/etc/group"), 4)) {
        std::string_view members = line[3];
        while (!members.empty()) {
            const std::size_t comma = members.find(',');
            if (members.substr(0, comma) == user) {
                if (const auto gid = number(line[2])) {
                    gids.push_back(*gid);
                }
                break;
            }
            members =
                comma == std::string_view::npos ? std::string_view{} : members.substr(comma + 1);
        }
    }
}

}  // namespace

// [region: resolve-user]
ResolvedUser resolve_user(std::string_view spec, const std::vector<std::string>& groups,
                          const ReadImageFile& read) {
    const std::size_t colon = spec.find(':');
    const std::string_view user = spec.empty() ? "0" : spec.substr(0, colon);
    const auto uid = number_or_name(user, "user");
    const std::optional<PasswdLine> line = passwd_line(user, uid, read);
    if (!uid && !line) {
        throw InputError(fmt::format(
            "unable to find user {}: no matching entries in the image's /etc/passwd", user));
    }
    ResolvedUser result;
    result.user.uid = uid ? *uid : line->uid;
    result.user.gid = line ? line->gid : 0;
    if (line && !line->home.empty()) {
        result.home = line->home;
    }
    std::vector<std::uint32_t>& gids = result.user.additional_gids;
    if (colon != std::string_view::npos) {
        result.user.gid = group_number(spec.substr(colon + 1), read);
    } else if (line) {
        add_memberships(line->name, read, gids);
    }
    for (const std::string& group : groups) {
        gids.push_back(group_number(group, read));
    }
    // A group that a file denies something to must not be shed by a set-group-ID program
    // (CVE-2022-36109).
    gids.push_back(result.user.gid);
    std::ranges::sort(gids);
    gids.erase(std::ranges::unique(gids).begin(), gids.end());
    return result;
}
// [/region]

oci::User resolve_owner(std::string_view spec, const ReadImageFile& read) {
    const std::size_t colon = spec.find(':');
    const std::string_view user = spec.substr(0, colon);
    oci::User result;
    if (const auto uid = number_or_name(user, "user")) {
        result.uid = *uid;
        result.gid = *uid;
    } else if (const auto line = passwd_line(user, {}, read)) {
        result.uid = line->uid;
        result.gid = line->gid;
    } else {
        throw InputError(fmt::format(
            "unable to find user {}: no matching entries in the image's /etc/passwd", user));
    }
    if (colon != std::string_view::npos) {
        result.gid = group_number(spec.substr(colon + 1), read);
    }
    return result;
}

}  // namespace drydock
