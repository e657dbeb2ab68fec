#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// What host and child tell each other while a container starts.
struct Message {
    enum class Kind : std::int32_t {
        Turn,    ///< the other side goes on
        Report,  ///< a step is done (only when somebody listens)
        Exec,    ///< execve comes next: when the stream ends now, the command runs
        Error,   ///< a step failed; nothing follows
        Waits,   ///< all is done up to where somebody else says when to go on
        Became,  ///< the child goes on as another process, `row` its pid; it waits for its Turn
    };
    Kind kind = Kind::Turn;
    std::int32_t row = 0;
    std::int32_t error = 0;        ///< errno, of an Error
    std::int32_t exit_status = 0;  ///< of an Error
    std::int64_t nanoseconds = 0;  ///< what the step took, of a Report; CLOCK_MONOTONIC, of an Exec
    std::string text{};            ///< of an Error what failed, of a Report its calls, one a line
};

/// Where host and child meet: a pair of sockets that keep message borders and close on execve, so
/// that the end of the stream tells the host that the command runs.
class Meeting {
  public:
    Meeting() noexcept = default;
    /// @throws std::system_error EMFILE, ENFILE
    static Meeting open();
    /// One over a connected socket of the kind SOCK_SEQPACKET.
    static Meeting over(UniqueFd socket);

    /// After the clone: each side keeps its own end.
    void keep_host_end() noexcept { child_end_ = UniqueFd(); }
    void keep_child_end() noexcept { host_end_ = UniqueFd(); }
    void close() noexcept;
    /// This side's descriptor, lent; -1 after close().
    [[nodiscard]] int descriptor() const noexcept { return end(); }

    /// Best effort: when the other side is gone, its absence tells more than the error would.
    void send(const Message& message) const noexcept;
    /// Whether the other side has its end open yet. Does not wait.
    [[nodiscard]] bool other_side_is_there() const noexcept;
    /// Waits. @return nothing when the other side is gone, or has become another program
    [[nodiscard]] std::optional<Message> receive() const;

  private:
    [[nodiscard]] int end() const noexcept {
        return host_end_ ? host_end_.get() : child_end_.get();
    }

    UniqueFd host_end_{};
    UniqueFd child_end_{};
};

}  // namespace drydock
