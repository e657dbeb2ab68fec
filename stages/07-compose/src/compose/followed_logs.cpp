#include "07-compose/compose/followed_logs.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/cli/log_stream.hpp"

namespace drydock::compose {
namespace {

std::string short_name(const Existing& container) {
    return container.service.empty() ? container.name
                                     : fmt::format("{}-{}", container.service, container.number);
}

/// One container's stream of log frames, cut into lines: lines of several containers never mix.
class Follower {
  public:
    Follower(cli::Exchange exchange, std::string prefix)
        : exchange_(std::move(exchange)), prefix_(std::move(prefix)) {}

    [[nodiscard]] bool open() const noexcept { return open_; }
    [[nodiscard]] bool ready() const noexcept { return open_ && exchange_.has_buffered(); }
    [[nodiscard]] int fd() const noexcept { return open_ ? exchange_.fd() : -1; }

    void copy_some() {
        if (const auto bytes = exchange_.read_some()) {
            demultiplexer_.feed(*bytes);
            return;
        }
        out_.flush();
        err_.flush();
        open_ = false;
    }

  private:
    void print(int fd, std::string_view line) const {
        write_all(fd, fmt::format("{}{}{}", prefix_, line, line.ends_with('\n') ? "" : "\n"),
                  "standard output");
    }

    cli::Exchange exchange_;
    std::string prefix_;
    bool open_ = true;
    cli::LineSplitter out_{[this](std::string_view line) { print(STDOUT_FILENO, line); }};
    cli::LineSplitter err_{[this](std::string_view line) { print(STDERR_FILENO, line); }};
    cli::Demultiplexer demultiplexer_{[this](cli::Output output, std::string_view bytes) {
        (output == cli::Output::Stdout ? out_ : err_).feed(bytes);
    }};
};

using Followers = std::vector<std::unique_ptr<Follower>>;

Followers open_all(const cli::Engine& engine, const std::vector<Existing>& containers,
                   const LogOptions& options) {
    std::size_t width = 0;
    for (const Existing& container : containers) {
        width = std::max(width, short_name(container).size());
    }
    Followers followers;
    for (const Existing& container : containers) {
        const cli::Query query = {{"stdout", "1"},
                                  {"stderr", "1"},
                                  {"follow", options.follow ? "1" : "0"},
                                  {"timestamps", options.timestamps ? "1" : "0"},
                                  {"tail", options.tail}};
        followers.push_back(std::make_unique<Follower>(
            engine.stream("GET", cli::path_of({"containers", container.id, "logs"}), query),
            options.prefix ? log_prefix(container, width) : ""));
    }
    return followers;
}

}  // namespace

std::string log_prefix(const Existing& container, std::size_t width) {
    return fmt::format("{:<{}}  | ", short_name(container), width);
}

void print_logs(const cli::Engine& engine, const std::vector<Existing>& containers,
                const LogOptions& options, int other_fd, const std::function<void()>& on_other) {
    const Followers followers = open_all(engine, containers, options);
    while (std::ranges::any_of(followers, &Follower::open)) {
        std::vector<pollfd> events{{.fd = other_fd, .events = POLLIN, .revents = 0}};
        std::ranges::transform(followers, std::back_inserter(events), [](const auto& follower) {
            return pollfd{.fd = follower->fd(), .events = POLLIN, .revents = 0};
        });
        const bool ready = std::ranges::any_of(followers, &Follower::ready);
        if (::poll(events.data(), events.size(), ready ? 0 : -1) == -1 && errno != EINTR) {
            check(-1, "poll({} containers)", followers.size());
        }
        if (events.front().revents != 0) {
            on_other();
        }
        for (std::size_t i = 0; i < followers.size(); ++i) {
            if (followers[i]->ready() || events[i + 1].revents != 0) {
                followers[i]->copy_some();
            }
        }
    }
}

}  // namespace drydock::compose
