#include "07-compose/engine/container_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10U;

/// Where the last `lines` lines of the file begin: newlines are counted from its end.
off_t offset_of_last(int fd, std::uint64_t lines) {
    const off_t size = check(::lseek(fd, 0, SEEK_END), "lseek(log, SEEK_END)");
    std::array<char, kBlock> block{};
    std::uint64_t newlines = 0;
    for (off_t end = size; end > 0;) {
        const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(block.size()));
        const auto length = static_cast<std::size_t>(end - begin);
        const auto got =
            check(::pread(fd, block.data(), length, begin), "pread(log, {} bytes)", length);
        for (off_t i = got; i > 0; --i) {
            // The newline that ends the file's last line does not begin another one.
            if (block.at(static_cast<std::size_t>(i - 1)) == '\n' && begin + i != size &&
                ++newlines == lines) {
                return begin + i;
            }
        }
        end = begin;
    }
    return 0;
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

// Opened at once, so that the lines can still be read when the container is removed meanwhile.
LogReader::LogReader(std::filesystem::path file) : file_(std::move(file)) {
    open();
}

bool LogReader::open() {
    if (!fd_) {
        const int fd = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
            return false;
        }
        fd_ = UniqueFd(check(fd, "open({}, O_RDONLY)", file_.native()));
    }
    return true;
}

void LogReader::skip_to_last(std::uint64_t lines) {
    if (open()) {
        const off_t offset =
            lines == 0 ? ::lseek(fd_.get(), 0, SEEK_END) : offset_of_last(fd_.get(), lines);
        check(::lseek(fd_.get(), offset, SEEK_SET), "lseek(log, {}, SEEK_SET)", offset);
        buffer_.clear();
        taken_ = 0;
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
    if (!open()) {
        return std::nullopt;
    }
    while (true) {
        const auto newline = buffer_.find('\n', taken_);
        if (newline == std::string::npos) {
            if (!fill()) {
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
