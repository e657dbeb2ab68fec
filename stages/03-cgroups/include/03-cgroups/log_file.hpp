#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// How much of a log is kept: docker's max-size and max-file.
struct LogLimits {
    std::uint64_t max_bytes = 0;  ///< of one file; 0: no end
    unsigned max_files = 1;       ///< the newest included; at least 1
};

/// The name of the log's file that was rotated away `age` times: "x.log", "x.log.1", "x.log.2"…
std::filesystem::path rotated_name(const std::filesystem::path& log, unsigned age);

/// Appends lines to a log and keeps it within its limits. A full file is renamed from x.log to
/// x.log.1, that one's predecessor to x.log.2, and the oldest is removed: who has a file open reads
/// it to its end and goes on in the one that took its place. A line is in one file only.
class LogFile {
  public:
    /// @throws std::system_error when it cannot be opened
    LogFile(std::filesystem::path file, LogLimits limits);

    /// Appends `lines`, each of which ends with "\n". What the disk has no room for is lost as
    /// whole lines: a full disk takes the log, not the container.
    void append(std::string_view lines);

  private:
    void put(std::string_view lines);
    void rotate();

    std::filesystem::path file_;
    LogLimits limits_;
    UniqueFd fd_{};
    std::uint64_t size_ = 0;
};

}  // namespace drydock
