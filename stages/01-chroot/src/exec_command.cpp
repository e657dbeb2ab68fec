#include "01-chroot/exec_command.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"

namespace drydock {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    result.reserve(strings.size() + 1);
    for (const std::string& s : strings) {
        result.push_back(
            const_cast<char*>(s.c_str()));  // execve takes char* for historical reasons only
    }
    result.push_back(nullptr);
    return result;
}

std::string_view path_of(const Command& command) {
    constexpr std::string_view kName = "PATH=";
    for (const std::string& variable : command.env) {
        if (variable.starts_with(kName)) {
            return std::string_view(variable).substr(kName.size());
        }
    }
    return kDefaultPath;
}

/// The files that execve is tried on, in order.
std::vector<std::string> candidates(const Command& command) {
    const std::string& name = command.argv.front();
    if (name.find('/') != std::string::npos) {
        return {name};
    }
    std::vector<std::string> files;
    std::string_view path = path_of(command);
    while (true) {
        const auto colon = path.find(':');
        const std::string_view directory = path.substr(0, colon);
        files.push_back(std::string(directory.empty() ? "." : directory) + "/" + name);
        if (colon == std::string_view::npos) {
            return files;
        }
        path.remove_prefix(colon + 1);
    }
}

[[noreturn]] void throw_exec_failed(const Command& command, int error) {
    const std::string& name = command.argv.front();
    const int exit_status = exit_status_of_exec_error(error);
    const std::error_code code(error, std::generic_category());
    if (exit_status == kNotFound && name.find('/') == std::string::npos) {
        throw SetupError(fmt::format("exec: \"{}\": executable file not found in $PATH", name),
                         code, exit_status);
    }
    // In small letters, as Go has it: engines that know runc look for "permission denied".
    std::string reason = code.message();
    reason.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(reason.front())));
    throw SetupError(fmt::format("exec: \"{}\": {}", name, reason), code, exit_status);
}

}  // namespace

void enter_workdir(const Command& command) {
    try {
        check(::chdir(command.workdir.c_str()), "chdir({})", command.workdir);
        // A path through a descriptor that is still open (/proc/self/fd/7) leads out of the root
        // (CVE-2024-21626). The kernel's own answer, which is not what libc makes of it, begins
        // with "(unreachable)" then.
        std::array<char, 4096> cwd{};
        check(::syscall(SYS_getcwd, cwd.data(), cwd.size()), "getcwd()");
        if (cwd[0] != '/') {
            errno = EXDEV;
            check(-1, "chdir({}): leads out of the root", command.workdir);
        }
    } catch (const std::system_error& e) {
        throw SetupError(e.what(), e.code(), exit_status_of_exec_error(e.code().value()));
    }
}

void check_command(const Command& command) {
    int error = ENOENT;
    for (const std::string& file : candidates(command)) {
        struct stat status{};
        if (::faccessat(AT_FDCWD, file.c_str(), X_OK, AT_EACCESS) == 0 &&
            ::stat(file.c_str(), &status) == 0) {
            if (S_ISREG(status.st_mode)) {
                return;
            }
            errno = EACCES;
        }
        if (errno != ENOENT && errno != ENOTDIR) {
            error = errno;
        }
    }
    throw_exec_failed(command, error);
}

// [region: exec-command]
void exec_command(const Command& command) {
    const std::vector<char*> argv = pointers(command.argv);
    const std::vector<char*> env = pointers(command.env);
    // A descriptor of the host that a container inherits is a door to the host (CVE-2024-21626).
    const unsigned first = 3 + command.preserved_fds;
    check(::syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC),
          "close_range({}, ~0, CLOSE_RANGE_CLOEXEC)", first);
    int error = ENOENT;
    for (const std::string& file : candidates(command)) {
        ::execve(file.c_str(), argv.data(), env.data());
        // As a shell does: a file that is there but may not be run counts for more than the ones
        // that are not there.
        if (errno != ENOENT && errno != ENOTDIR) {
            error = errno;
        }
    }
    throw_exec_failed(command, error);
}
// [/region]

}  // namespace drydock
