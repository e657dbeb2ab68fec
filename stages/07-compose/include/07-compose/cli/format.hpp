#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace drydock::cli {

/// Columns as docker prints them: as wide as their widest cell and three spaces; the last one is
/// not padded.
class Table {
  public:
    explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    /// The whole table, header first, cells made printable.
    [[nodiscard]] std::string text() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

/// `text` with control bytes and broken UTF-8 as \x1b: names, labels and commands come from
/// strangers, and a terminal obeys what it is shown. Newline and tab are control bytes too.
std::string printable(std::string_view text);

/// "4.3MB": powers of 1000, four digits at most, as docker prints sizes.
std::string human_size(std::uint64_t bytes);
/// "About a minute", "3 hours", as docker prints them.
std::string human_duration(std::int64_t seconds);
/// 12 digits of an ID, without "sha256:".
std::string short_id(std::string_view id);
/// At most `width` characters; a cut is shown by "…" as the last.
std::string ellipsis(std::string_view text, std::size_t width);

/// The distance of two words in single-letter edits, to find what was meant.
std::size_t edit_distance(std::string_view a, std::string_view b);
/// The candidate nearest to `word`; "" when none is near (more than a third of its letters differ).
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

bool is_terminal(int fd) noexcept;

}  // namespace drydock::cli
