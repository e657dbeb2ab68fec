#pragma once

namespace drydock {

/// Owns one file descriptor; empty when default-made.
class UniqueFd {
  public:
    UniqueFd() noexcept = default;
    explicit UniqueFd(int fd) noexcept : fd_(fd) {}
    ~UniqueFd();
    UniqueFd(UniqueFd&& other) noexcept;
    UniqueFd& operator=(UniqueFd&& other) noexcept;
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;

    /// Lends the descriptor; -1 when empty.
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
    /// Gives the descriptor up to the caller; empty afterwards.
    [[nodiscard]] int release() noexcept;
    /// Closes. Empty afterwards, also when it throws: Linux frees the descriptor even on error.
    /// @throws std::system_error EIO, ENOSPC, EDQUOT: what was written may be lost
    void close();

  private:
    int fd_ = -1;
};

/// The two ends of a pipe, both close-on-exec.
struct Pipe {
    UniqueFd read{};
    UniqueFd write{};
};
/// @throws std::system_error EMFILE, ENFILE
Pipe make_pipe();

}  // namespace drydock
