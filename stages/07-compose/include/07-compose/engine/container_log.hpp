#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "01-chroot/unique_fd.hpp"
#include "07-compose/engine/time_text.hpp"

namespace drydock {

/// One line of what a container wrote, as the shim put it into the log (docker's json-file format).
struct LogLine {
    std::string text{};    ///< with its newline, unless the container ended without one
    std::string stream{};  ///< "stdout", "stderr"
    std::string time{};    ///< RFC 3339 as it is in the file
};

/// Reads a log from its beginning, or the last lines of it, and goes on when it grows: through all
/// the files that there are of it (03-cgroups/log_file.hpp), and from one that is rotated away
/// while it is read into its successor. Needs the memory of one line.
class LogReader {
  public:
    /// Opens the oldest file at once, so that its lines can be read also when the container is
    /// removed meanwhile. A log that is not there yet is one without lines.
    explicit LogReader(std::filesystem::path file);

    /// Goes to where the last `lines` lines begin.
    void skip_to_last(std::uint64_t lines);
    /// The next whole line; nothing at the end of the log as it is now. A line that is no JSON is
    /// left out.
    std::optional<LogLine> next();

  private:
    bool open_oldest();
    bool open_successor();
    bool fill();

    std::filesystem::path file_;
    UniqueFd fd_{};
    std::string buffer_{};
    std::size_t taken_ = 0;  ///< bytes of buffer_ that were given out
};

/// The line of a log file, nothing for what is none.
std::optional<LogLine> parse_log_line(std::string_view json);

}  // namespace drydock
