#include "06-registry/progress_display.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/file.hpp"

namespace drydock {
namespace {

/// States that change many times a second: worth a line on a terminal, which is drawn over, and
/// nowhere else.
bool is_passing(std::string_view status) {
    static const std::set<std::string_view> kPassing = {
        "Downloading", "Extracting",         "Pushing",          "Preparing",
        "Waiting",     "Verifying Checksum", "Download complete"};
    return kPassing.contains(status);
}

std::string bytes_text(double value) {
    constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB"};
    std::size_t unit = 0;
    while (value >= 1000 && unit + 1 < kUnits.size()) {
        value /= 1000;
        ++unit;
    }
    return fmt::format("{:.3g}{}", value, kUnits[unit]);
}

std::string time_text(double seconds) {
    const auto whole = static_cast<long>(seconds + 0.5);
    return whole < 60 ? fmt::format("{}s", whole)
                      : fmt::format("{}m{:02}s", whole / 60, whole % 60);
}

}  // namespace

std::string progress_bar(std::uint64_t current, std::uint64_t total, double rate,
                         unsigned columns) {
    if (current == 0) {
        return "";
    }
    if (total == 0) {
        return bytes_text(static_cast<double>(current));
    }
    const std::uint64_t known = std::min(current, total);
    std::string text = fmt::format("{}/{}", bytes_text(static_cast<double>(known)),
                                   bytes_text(static_cast<double>(total)));
    constexpr std::uint64_t kWidest = 30;
    constexpr std::uint64_t kFrame = 4;  // brackets, tip, space
    if (rate > 0 && known < total) {
        for (const std::string& more :
             {fmt::format(" {}/s", bytes_text(rate)),
              " " + time_text(static_cast<double>(total - known) / rate)}) {
            text += text.size() + more.size() <= columns ? more : "";
        }
    }
    const std::uint64_t room = columns > text.size() + kFrame ? columns - text.size() - kFrame : 0;
    const std::uint64_t width = std::min(kWidest, room);
    constexpr std::uint64_t kNarrowest = 5;
    if (width >= kNarrowest) {
        const std::string filled(static_cast<std::size_t>(width * known / total), '=');
        text = fmt::format("[{:<{}}] {}", filled + ">", width + 1, text);
    }
    return text.size() <= columns ? text : "";
}

unsigned terminal_columns(int fd) {
    constexpr unsigned kUnknown = 80;
    winsize size{};
    if (::isatty(fd) == 0) {
        return 0;
    }
    return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : kUnknown;
}

std::string progress_json(const Progress& progress) {
    nlohmann::json line = {{"status", progress.status}};
    if (!progress.id.empty()) {
        line["id"] = progress.id;
    }
    if (progress.total > 0) {
        line["progressDetail"] = {{"current", progress.current}, {"total", progress.total}};
    }
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Since the state began, so that what came before a cut does not count.
double ProgressDisplay::rate_of(Layer& layer, const Progress& progress, bool changed) const {
    const Clock::time_point now = Clock::now();
    if (changed) {
        layer.began = now;
        layer.first = progress.current;
    }
    const std::chrono::duration<double> took = now - layer.began;
    constexpr double kSoonest = 0.3;
    return took.count() < kSoonest || progress.current < layer.first
               ? 0
               : static_cast<double>(progress.current - layer.first) / took.count();
}

void ProgressDisplay::show(const Progress& progress) {
    if (progress.id.empty() || progress.status.starts_with("Pulling from")) {
        heading((progress.id.empty() ? "" : progress.id + ": ") + progress.status);
        return;
    }
    const auto [found, is_new] = layers_.try_emplace(progress.id, Layer{.row = rows_});
    Layer& layer = found->second;
    const bool changed = layer.status != progress.status;
    layer.status = progress.status;
    const std::string line = progress.id + ": " + progress.status;
    if (columns_ == 0) {
        if (changed && !is_passing(progress.status)) {
            write_all(fd_, line + "\n", "standard output");
        }
        return;
    }
    rows_ += is_new ? 1 : 0;
    const double rate = rate_of(layer, progress, changed);
    const unsigned room =
        columns_ > line.size() + 2 ? columns_ - static_cast<unsigned>(line.size()) - 2 : 0;
    const std::string bar = progress_bar(progress.current, progress.total, rate, room);
    draw(line + (bar.empty() ? "" : " " + bar), layer.row, is_new);
}

void ProgressDisplay::draw(const std::string& line, std::size_t row, bool is_new) const {
    // A line that wraps would be two, and the next one drawn over the wrong one.
    const std::string text = line.substr(0, columns_ - 1);
    if (is_new) {
        write_all(fd_, text + "\n", "standard output");
    } else {
        const std::size_t up = rows_ - row;
        write_all(fd_, fmt::format("\x1b[{}A\r\x1b[2K{}\x1b[{}B\r", up, text, up),
                  "standard output");
    }
}

void ProgressDisplay::heading(const std::string& line) {
    layers_.clear();
    rows_ = 0;
    write_all(fd_, line + "\n", "standard output");
}

}  // namespace drydock
