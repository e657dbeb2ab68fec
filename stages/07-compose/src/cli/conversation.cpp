#include "07-compose/cli/conversation.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock::cli {
namespace {

void print_output(Output output, std::string_view bytes) {
    write_all(output == Output::Stdout ? STDOUT_FILENO : STDERR_FILENO, bytes, "standard output");
}

}  // namespace

Conversation::Conversation(Exchange stream, ConversationOptions options)
    : stream_(std::move(stream)),
      options_(options),
      demultiplexer_(print_output),
      input_open_(options.interactive) {
    if (options.interactive && options.tty) {
        raw_ = std::make_unique<RawTerminal>(STDIN_FILENO);
    }
}

int Conversation::input_fd() const {
    return open_ && input_open_ && input_.empty() ? STDIN_FILENO : -1;
}

short Conversation::stream_events() const {
    return static_cast<short>(POLLIN | (input_.empty() ? 0 : POLLOUT));
}

void Conversation::read_input() {
    std::array<char, 16384> buffer{};
    const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    if (n <= 0) {  // EIO: our terminal is gone
        input_open_ = false;
        stream_.end_input();
        return;
    }
    input_.assign(buffer.data(), static_cast<std::size_t>(n));
    send_input();
}

void Conversation::send_input() {
    input_.erase(0, stream_.send_some(input_));
}

void Conversation::copy_stream(short events) {
    if ((events & POLLOUT) != 0) {
        send_input();
    }
    if ((events & (POLLIN | POLLHUP | POLLERR)) == 0 && !stream_.has_buffered()) {
        return;
    }
    const auto bytes = stream_.read_some();
    open_ = bytes.has_value();
    if (bytes && options_.tty) {
        print_output(Output::Stdout, *bytes);
    } else if (bytes) {
        demultiplexer_.feed(*bytes);
    }
}

}  // namespace drydock::cli
