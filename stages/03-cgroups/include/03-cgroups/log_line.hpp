#pragma once

#include <string>
#include <string_view>

namespace drydock {

enum class Stream { Stdout, Stderr };

/// Turns what a command writes into the lines of docker's json-file log:
/// `{"log":"...\n","stream":"stdout","time":"..."}`. A line longer than 16 KiB becomes several
/// entries, of which only the last ends with "\n"; so does one that the command never finished.
class LogLines {
  public:
    explicit LogLines(Stream stream) noexcept : stream_(stream) {}

    /// Takes in what was read, and appends to `out` an entry for each line that is complete now.
    void add(std::string_view bytes, std::string& out);
    /// At the end of the stream: appends what is left.
    void finish(std::string& out);

  private:
    void entry(std::string_view text, std::string& out) const;

    Stream stream_;
    std::string pending_{};  ///< the beginning of a line, at most kMaxLogText bytes
};

inline constexpr std::size_t kMaxLogText = 16384;

/// Appends `bytes` as the inside of a JSON string. What is not UTF-8 becomes U+FFFD, as docker
/// does.
void append_json_escaped(std::string_view bytes, std::string& out);

}  // namespace drydock
