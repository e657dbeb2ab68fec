#include "03-cgroups/log_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

constexpr mode_t kLogMode = 0640;

/// How much of `lines` fits into `room` bytes without cutting a line; at least one line if `must`.
std::size_t fitting(std::string_view lines, std::uint64_t room, bool must) {
    if (lines.size() <= room) {
        return lines.size();
    }
    const auto last =
        room > 0 ? lines.rfind('\n', static_cast<std::size_t>(room) - 1) : std::string_view::npos;
    if (last != std::string_view::npos) {
        return last + 1;
    }
    return must ? std::min(lines.find('\n'), lines.size() - 1) + 1 : 0;
}

}  // namespace

fs::path rotated_name(const fs::path& log, unsigned age) {
    return age == 0 ? log : fs::path(fmt::format("{}.{}", log.native(), age));
}

LogFile::LogFile(fs::path file, LogLimits limits)
    : file_(std::move(file)),
      limits_{.max_bytes = limits.max_bytes, .max_files = std::max(limits.max_files, 1U)},
      fd_(open_file(file_, O_WRONLY | O_CREAT | O_APPEND, kLogMode)) {
    struct stat status{};
    check(::fstat(fd_.get(), &status), "fstat({})", file_.native());
    size_ = static_cast<std::uint64_t>(status.st_size);
}

void LogFile::append(std::string_view lines) {
    while (!lines.empty()) {
        std::size_t length = lines.size();
        if (limits_.max_bytes > 0) {
            const auto room = limits_.max_bytes - std::min(limits_.max_bytes, size_);
            length = fitting(lines, room, size_ == 0);
            if (length == 0) {
                rotate();
                length = fitting(lines, limits_.max_bytes, true);
            }
        }
        put(lines.substr(0, length));
        lines.remove_prefix(length);
    }
}

void LogFile::put(std::string_view lines) {
    try {
        write_all(fd_.get(), lines, "log");
        size_ += lines.size();
    } catch (const std::system_error&) {
        // Half a line would make the next one unreadable.
        if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) == -1) {
            size_ += lines.size();
        }
    }
}

// [region: rotate-log]
void LogFile::rotate() {
    // The oldest goes by being replaced; with one file only there is nowhere to rename it to.
    for (unsigned age = limits_.max_files - 1; age > 0; --age) {
        static_cast<void>(
            ::rename(rotated_name(file_, age - 1).c_str(), rotated_name(file_, age).c_str()));
    }
    if (limits_.max_files == 1) {
        static_cast<void>(::unlink(file_.c_str()));
    }
    const int fd = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kLogMode);
    if (fd >= 0) {
        fd_ = UniqueFd(fd);
        size_ = 0;
    } else if (limits_.max_files > 1) {
        // No room for a new one: we go on in the old one, which gets its name back.
        static_cast<void>(::rename(rotated_name(file_, 1).c_str(), file_.c_str()));
    }
}
// [/region]

}  // namespace drydock
