#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

// What a program asks of the shim of a container that runs, over the socket BUNDLE/shim.sock (mode
// 0600). Every call is a connection of its own, so any thread may make any of them at any time, and
// they work the same after the caller was restarted. Sockets that are handed over stay with the
// shim: they live on when the caller dies.

/// Someone who sees a command's output, and may write its input.
struct Attachment {
    UniqueFd socket{};  ///< a connected stream socket
    bool in = false;    ///< what it sends is the command's input; the end of that ends the input if
                        ///< the container was started so (stdin_once), or it is an exec
    bool out = true;
    bool err = true;
    bool framed = false;         ///< each piece of output behind docker's header: stream number,
                                 ///< length in 4 bytes. Never for a terminal
    std::string detach_keys{};   ///< these bytes in the input detach; at most 16; "": none do
    std::string already_read{};  ///< what was read from the socket: the beginning of the input
};

/// Attaches. Output from now on goes to the socket, which the shim closes when the command has
/// ended and all of it was sent. A reader that is slow slows the command down; one that takes
/// nothing for 10 s has output left out and is told how much.
/// @throws InputError when there is no shim (any more), or it refuses
void shim_attach(const std::filesystem::path& bundle, Attachment attachment);

/// Sets the size of the command's terminal, which the kernel tells it by SIGWINCH.
/// @throws InputError when it has no terminal, or there is no shim
void shim_resize(const std::filesystem::path& bundle, unsigned rows, unsigned columns);

/// Sends a signal to the container's first process.
void shim_signal(const std::filesystem::path& bundle, int number);

/// Readable when the container has ended, by its shim's word or by the shim's death. How it ended
/// says read_exit_record() (shim_process.hpp).
UniqueFd shim_wait(const std::filesystem::path& bundle);

/// One more command in the container.
struct ShimExecRequest {
    std::string process{};                   ///< `process` of the OCI runtime-spec, as JSON
    bool terminal = false;                   ///< what `process` says of it
    std::optional<Attachment> attachment{};  ///< nothing: its output is dropped, its input is empty
};

/// A command started by shim_exec(). It goes on when this object goes.
class ShimExec {
  public:
    ShimExec() noexcept = default;
    ShimExec(UniqueFd connection, pid_t pid) noexcept
        : connection_(std::move(connection)), pid_(pid) {}

    /// As seen here; 0: it did not come to run, which exit_status() and its error output tell of.
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    /// Readable when it has ended.
    [[nodiscard]] int fd() const noexcept { return connection_.get(); }
    /// Nothing while it runs; 128 + SIGKILL when its shim died. It is there before its sockets are
    /// closed.
    [[nodiscard]] std::optional<int> exit_status();
    /// Blocks until it has ended.
    int wait();
    void resize(unsigned rows, unsigned columns);
    void signal(int number);

  private:
    UniqueFd connection_{};
    pid_t pid_ = 0;
    std::optional<int> status_{};
};

/// Starts it. A command that is not there, or cannot be run, is an ended one with exit status 127
/// or 126 that has said so on its error output.
/// @throws InputError when there is no shim, or the container is ending
ShimExec shim_exec(const std::filesystem::path& bundle, ShimExecRequest request);

}  // namespace drydock
