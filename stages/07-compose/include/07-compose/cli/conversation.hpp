#pragma once

#include <functional>
#include <memory>
#include <string>

#include "07-compose/cli/http_request.hpp"
#include "07-compose/cli/log_stream.hpp"
#include "07-compose/cli/terminal.hpp"

namespace drydock::cli {

struct ConversationOptions {
    bool interactive = false;  ///< our standard input is the command's
    bool tty = false;          ///< the command has a terminal: one stream, no frames
};

/// Our standard streams on one side, those of a command on the other. Never waits but in wait(): a
/// command that takes no input goes on giving output. With a terminal on both sides ours is raw
/// while this lives.
class Conversation {
  public:
    /// @param stream the answer to attach, or to the start of an exec
    Conversation(Exchange stream, ConversationOptions options);

    /// False once the command's output has ended.
    [[nodiscard]] bool open() const noexcept { return open_; }

    /// True once our standard input has ended and all of it is sent.
    [[nodiscard]] bool input_ended() const noexcept { return !input_open_ && input_.empty(); }

    /// For poll(2): our standard input, -1 while nothing is to be read from it.
    [[nodiscard]] int input_fd() const;
    [[nodiscard]] int stream_fd() const { return open_ ? stream_.fd() : -1; }
    [[nodiscard]] short stream_events() const;
    /// Whether copy_stream() has something to do without a poll.
    [[nodiscard]] bool has_buffered() const { return open_ && stream_.has_buffered(); }

    void read_input();
    void copy_stream(short events);

  private:
    void send_input();

    Exchange stream_;
    ConversationOptions options_;
    Demultiplexer demultiplexer_;
    std::string input_{};  ///< on its way
    bool input_open_ = false;
    bool open_ = true;
    std::unique_ptr<RawTerminal> raw_{};
};

}  // namespace drydock::cli
