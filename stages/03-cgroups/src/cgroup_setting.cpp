#include "cgroup_setting.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ranges>
#include <sstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

/// What a file says before `setting` is written, in the form in which it can be written back.
std::string text_before(const CgroupDirectory& directory, const CgroupSetting& setting) {
    if (setting.nothing.empty()) {
        return read_value(directory, setting.file).value_or("");
    }
    const std::string key = setting.value.substr(0, setting.value.find(' ') + 1);
    std::istringstream lines(read_text(directory, setting.file));
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(key)) {
            return line;
        }
    }
    return setting.nothing;
}

/// What a person can do about it; "" when the kernel's own word has to do.
std::string hint_for(int error, const CgroupSetting& setting) {
    if (error == EBUSY && setting.file == "memory.limit_in_bytes") {
        return "; more than that is in use now and cannot be freed";
    }
    if (error == EINVAL && setting.file == "memory.limit_in_bytes") {
        return "; expected one not above the limit of memory and swap together";
    }
    if ((error == EINVAL || error == ERANGE) && setting.controller == "cpuset") {
        return "; expected numbers of CPUs or memory nodes that this machine has, as in 0-3,7";
    }
    if (error == ENODEV) {
        return "; expected the numbers of a whole disk, as /sys/dev/block has them";
    }
    return "";
}

[[noreturn]] void throw_not_taken(const CgroupDirectory& directory, const CgroupSetting& setting,
                                  int error) {
    throw InputError(fmt::format("{}: write({}/{}, \"{}\"): {}{}", setting.what,
                                 directory.path.native(), setting.file, setting.value,
                                 std::generic_category().message(error), hint_for(error, setting)));
}

[[noreturn]] void throw_no_file(const CgroupDirectory& directory, const CgroupSetting& setting) {
    const std::optional<std::string> v2_controllers = read_value(directory, "cgroup.controllers");
    throw InputError(
        v2_controllers && (" " + *v2_controllers + " ").find(" " + setting.controller + " ") ==
                              std::string::npos
            ? fmt::format("a {0} cannot be had: the {1} controller is not delegated to {2} "
                          "(cgroup.controllers: \"{3}\")",
                          setting.what, setting.controller, directory.path.native(),
                          *v2_controllers)
            : fmt::format("a {} cannot be had: this kernel has no {}/{}", setting.what,
                          directory.path.native(), setting.file));
}

}  // namespace

CgroupSetting& CgroupSettings::put(const char* controller, std::string file, std::string value,
                                   const char* what) {
    return list.emplace_back(CgroupSetting{.controller = controller,
                                           .file = std::move(file),
                                           .value = std::move(value),
                                           .what = what});
}

CgroupChanges::~CgroupChanges() {
    for (const Before& before : before_ | std::views::reverse) {
        const UniqueFd fd(
            ::openat(before.directory, before.file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
        static_cast<void>(!::write(fd.get(), before.value.data(), before.value.size()));
    }
}

void CgroupChanges::write(const CgroupDirectory& directory, const CgroupSetting& setting) {
    const UniqueFd fd(
        ::openat(directory.fd.get(), setting.file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd && errno == ENOENT) {
        if (setting.if_there) {
            return;
        }
        throw_no_file(directory, setting);
    }
    check(fd.get(), "open({}/{})", directory.path.native(), setting.file);
    const std::string before = fresh_ ? "" : text_before(directory, setting);
    const ssize_t n = ::write(fd.get(), setting.value.data(), setting.value.size());
    if (n == -1 && errno != EACCES && errno != EPERM) {
        throw_not_taken(directory, setting, errno);
    }
    check(n, "write({}/{}, \"{}\")", directory.path.native(), setting.file, setting.value);
    if (!fresh_ && !before.empty()) {
        before_.push_back({.directory = directory.fd.get(), .file = setting.file, .value = before});
    }
}

void refuse_below_use(std::int64_t limit_bytes, std::int64_t used_bytes) {
    if (limit_bytes != -1 && limit_bytes < used_bytes) {
        throw InputError(fmt::format("memory limit {}: below the {} that are in use",
                                     size_text(limit_bytes), size_text(used_bytes)));
    }
}

bool machine_has_swap() {
    std::istringstream lines(read_file("/proc/meminfo"));
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("SwapTotal:")) {
            return line.find_first_of("123456789") != std::string::npos;
        }
    }
    return false;
}

}  // namespace drydock
