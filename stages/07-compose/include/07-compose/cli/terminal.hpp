#pragma once

#include <termios.h>

namespace drydock::cli {

struct TerminalSize {
    unsigned rows = 0;
    unsigned columns = 0;
};

/// That of the terminal open as `fd`; 0 and 0 when it is none.
TerminalSize terminal_size(int fd);

/// Owns the mode of a terminal: while this lives, every key that is typed is read as it is, and
/// nothing is done for it (no echo, no Ctrl-C). Where `fd` is no terminal nothing happens.
class RawTerminal {
  public:
    explicit RawTerminal(int fd);
    /// Gives the terminal its mode back.
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    RawTerminal(RawTerminal&&) = delete;
    RawTerminal& operator=(RawTerminal&&) = delete;

  private:
    int fd_ = -1;
    termios before_{};
};

}  // namespace drydock::cli
