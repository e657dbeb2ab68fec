#include "07-compose/cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace drydock::cli {

TerminalSize terminal_size(int fd) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0) {
        return {};
    }
    return {.rows = size.ws_row, .columns = size.ws_col};
}

RawTerminal::RawTerminal(int fd) {
    if (::tcgetattr(fd, &before_) != 0) {
        return;
    }
    fd_ = fd;
    termios raw = before_;
    ::cfmakeraw(&raw);
    // Best effort: a terminal that refuses is used as it is.
    static_cast<void>(::tcsetattr(fd_, TCSADRAIN, &raw));
}

RawTerminal::~RawTerminal() {
    if (fd_ >= 0) {
        static_cast<void>(::tcsetattr(fd_, TCSADRAIN, &before_));
    }
}

}  // namespace drydock::cli
