#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "06-registry/progress.hpp"

namespace drydock {

/// "[=====>     ] 12.3MB/50MB 4.1MB/s 9s", in at most `columns` characters: what does not fit is
/// left out, the time first. Empty when there is nothing to show.
/// @param rate bytes a second; 0: unknown
std::string progress_bar(std::uint64_t current, std::uint64_t total, double rate, unsigned columns);

/// How wide the terminal is that `fd` is; 0: it is none.
unsigned terminal_columns(int fd);

/// One line of docker's progress stream, as the API has it: an object without the line's end.
std::string progress_json(const Progress& progress);

/// Draws how a pull or a push goes on: on a terminal one line for each layer, which changes where
/// it is, with speed and time left; else a line for each change of state, without the steps
/// between.
class ProgressDisplay {
  public:
    /// @param columns of the terminal that `fd` is; 0: it is none
    ProgressDisplay(int fd, unsigned columns) : fd_(fd), columns_(columns) {}

    void show(const Progress& progress);
    /// A line of its own; layers that follow stand below it.
    void heading(const std::string& line);

  private:
    using Clock = std::chrono::steady_clock;
    struct Layer {
        std::string status{};
        std::uint64_t first = 0;  ///< bytes when this state began
        Clock::time_point began{};
        std::size_t row = 0;
    };
    double rate_of(Layer& layer, const Progress& progress, bool changed) const;
    void draw(const std::string& line, std::size_t row, bool is_new) const;

    int fd_;
    unsigned columns_;
    std::map<std::string, Layer> layers_{};
    std::size_t rows_ = 0;
};

}  // namespace drydock
