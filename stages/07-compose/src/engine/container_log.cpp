#include "07-compose/engine/container_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/log_file.hpp"

namespace drydock {
namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10U;

constexpr unsigned kMostFiles = 1000;

/// Empty when it is not there.
UniqueFd open_log(const std::filesystem::path& file) {
    UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    check(!fd && errno != ENOENT ? -1 : 0, "open({}, O_RDONLY)", file.native());
    return fd;
}

/// Whether the file that is open as `fd` has the name `file` now.
bool is_named(int fd, const std::filesystem::path& file) {
    struct stat ours{};
    struct stat named{};
    return ::fstat(fd, &ours) == 0 && ::stat(file.c_str(), &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/// How many times the log has been rotated since that file was its newest; nothing when the file is
/// no longer kept.
std::optional<unsigned> age_of(int fd, const std::filesystem::path& log) {
    unsigned missing = 0;
    for (unsigned age = 0; age < kMostFiles && missing < 2; ++age) {
        const std::filesystem::path name = rotated_name(log, age);
        if (is_named(fd, name)) {
            return age;
        }
        // A gap of one is a rotation under way.
        missing = ::access(name.c_str(), F_OK) == 0 ? 0 : missing + 1;
    }
    return std::nullopt;
}

/// Where the last lines of a file begin, and how many it has of those that were asked for.
struct LastLines {
    off_t offset = 0;
    std::uint64_t lines = 0;
};
LastLines last_lines(int fd, std::uint64_t wanted) {
    const off_t size = check(::lseek(fd, 0, SEEK_END), "lseek(log, SEEK_END)");
    std::vector<char> block(kBlock);
    std::uint64_t newlines = 0;
    for (off_t end = size; end > 0;) {
        const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(block.size()));
        const auto length = static_cast<std::size_t>(end - begin);
        const auto got =
            check(::pread(fd, block.data(), length, begin), "pread(log, {} bytes)", length);
        for (off_t i = got; i > 0; --i) {
            // The newline that ends the file's last line does not begin another one.
            if (block.at(static_cast<std::size_t>(i - 1)) == '\n' && begin + i != size &&
                ++newlines == wanted) {
                return {.offset = begin + i, .lines = wanted};
            }
        }
        end = begin;
    }
    return {.offset = 0, .lines = newlines + (size > 0 ? 1 : 0)};
}

}  // namespace

std::optional<LogLine> parse_log_line(std::string_view json) {
    const auto object = nlohmann::json::parse(json, nullptr, false);
    if (!object.is_object()) {
        return std::nullopt;
    }
    const auto text = [&](const char* key) {
        const auto found = object.find(key);
        return found != object.end() && found->is_string() ? found->get<std::string>()
                                                           : std::string();
    };
    return LogLine{.text = text("log"), .stream = text("stream"), .time = text("time")};
}

LogReader::LogReader(std::filesystem::path file) : file_(std::move(file)) {
    open_oldest();
}

bool LogReader::open_oldest() {
    if (!fd_) {
        unsigned age = 0;
        while (age + 1 < kMostFiles && ::access(rotated_name(file_, age + 1).c_str(), F_OK) == 0) {
            ++age;
        }
        // A rotation meanwhile only makes it an older one, or the oldest is gone and the next is
        // it.
        for (fd_ = open_log(rotated_name(file_, age)); !fd_ && age > 0;) {
            fd_ = open_log(rotated_name(file_, --age));
        }
    }
    return static_cast<bool>(fd_);
}

bool LogReader::open_successor() {
    constexpr int kTries = 100;
    for (int i = 0; i < kTries; ++i) {
        const auto age = age_of(fd_.get(), file_);
        if (age == 0U) {
            return false;
        }
        if (!age) {
            // Rotated out while we read it: what is left begins with the oldest. A log of which
            // nothing is left was removed.
            UniqueFd old = std::exchange(fd_, UniqueFd());
            if (!open_oldest()) {
                fd_ = std::move(old);
                return false;
            }
            return true;
        }
        UniqueFd next = open_log(rotated_name(file_, *age - 1));
        // Another rotation in between, and `next` is the one behind the next.
        if (next && is_named(fd_.get(), rotated_name(file_, *age))) {
            fd_ = std::move(next);
            return true;
        }
    }
    return false;
}

void LogReader::skip_to_last(std::uint64_t lines) {
    buffer_.clear();
    taken_ = 0;
    for (unsigned age = 0; age < kMostFiles; ++age) {
        UniqueFd file = open_log(rotated_name(file_, age));
        if (!file) {
            break;
        }
        fd_ = std::move(file);
        const LastLines last =
            lines == 0 ? LastLines{.offset = check(::lseek(fd_.get(), 0, SEEK_END), "lseek(log)")}
                       : last_lines(fd_.get(), lines);
        check(::lseek(fd_.get(), last.offset, SEEK_SET), "lseek(log, {}, SEEK_SET)", last.offset);
        lines -= last.lines;
        if (lines == 0) {
            break;
        }
    }
}

bool LogReader::fill() {
    buffer_.erase(0, taken_);
    taken_ = 0;
    const std::size_t before = buffer_.size();
    buffer_.resize(before + kBlock);
    const auto got = ::read(fd_.get(), buffer_.data() + before, kBlock);
    buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    check(got, "read({})", file_.native());
    return got > 0;
}

std::optional<LogLine> LogReader::next() {
    if (!open_oldest()) {
        return std::nullopt;
    }
    while (true) {
        const auto newline = buffer_.find('\n', taken_);
        if (newline == std::string::npos) {
            if (fill()) {
                continue;
            }
            // First whether there is a successor, then once more what is here: nothing is written
            // to a file that has one.
            if (is_named(fd_.get(), file_)) {
                return std::nullopt;
            }
            if (fill()) {
                continue;
            }
            if (!open_successor()) {
                return std::nullopt;
            }
            continue;
        }
        const auto line =
            parse_log_line(std::string_view(buffer_).substr(taken_, newline - taken_));
        taken_ = newline + 1;
        if (line) {
            return line;
        }
    }
}

}  // namespace drydock
