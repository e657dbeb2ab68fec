#include "01-chroot/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock {

UniqueFd open_file(const std::filesystem::path& path, int flags, mode_t mode) {
    return open_at(AT_FDCWD, path.native(), flags, mode);
}

UniqueFd open_at(int dir, const std::string& path, int flags, mode_t mode) {
    return UniqueFd(check(::openat(dir, path.c_str(), flags | O_CLOEXEC, mode),
                          "open({}, flags={:#o})", path, flags));
}

std::string read_all(int fd, std::size_t limit, std::string_view name_for_errors) {
    std::string bytes;
    std::array<char, 16384> buffer{};
    while (true) {
        const ssize_t n = ::read(fd, buffer.data(), buffer.size());
        if (n == -1 && errno == EINTR) {
            continue;
        }
        check(n, "read({})", name_for_errors);
        if (n == 0) {
            return bytes;
        }
        bytes.append(buffer.data(), static_cast<std::size_t>(n));
        if (bytes.size() > limit) {
            throw InputError(fmt::format("{}: larger than {} bytes", name_for_errors, limit));
        }
    }
}

std::string read_file(const std::filesystem::path& path, std::size_t limit) {
    return read_all(open_file(path, O_RDONLY).get(), limit, path.native());
}

void write_all(int fd, std::string_view bytes, std::string_view name_for_errors) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n == -1 && errno == EINTR) {
            continue;
        }
        check(n, "write({}, count={})", name_for_errors, bytes.size());
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

void write_once(int dir, const std::string& path, std::string_view bytes) {
    const UniqueFd fd = open_at(dir, path, O_WRONLY);
    check(::write(fd.get(), bytes.data(), bytes.size()), "write({}, \"{}\")", path, bytes);
}

void replace_file(int dir, const std::string& name, std::string_view bytes, mode_t mode,
                  Lasts lasts) {
    // The thread's, not the process's: two threads may replace one file at the same moment.
    const std::string temporary = fmt::format(".{}.{}.tmp", name, ::gettid());
    UniqueFd fd = open_at(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
    try {
        write_all(fd.get(), bytes, temporary);
        if (lasts == Lasts::PowerCut) {
            check(::fsync(fd.get()), "fsync({})", temporary);
        }
        fd.close();
        check(::renameat(dir, temporary.c_str(), dir, name.c_str()), "rename({}, {})", temporary,
              name);
    } catch (...) {
        static_cast<void>(::unlinkat(dir, temporary.c_str(), 0));
        throw;
    }
    if (lasts == Lasts::PowerCut) {
        // The new name itself is on disk only when the directory is.
        check(::fsync(dir), "fsync(directory of {})", name);
    }
}

}  // namespace drydock
