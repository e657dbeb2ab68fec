#pragma once

#include <poll.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "03-cgroups/log_file.hpp"
#include "03-cgroups/log_line.hpp"
#include "03-cgroups/shim_client.hpp"

namespace drydock {

using ShimClock = std::chrono::steady_clock;

/// Something that the shim's one loop waits for.
struct Interest {
    int fd = -1;
    short events = 0;
    std::function<void(short)> ready{};  ///< called with what happened
};

/// Finds a sequence of keys in what a client types.
class DetachKeys {
  public:
    explicit DetachKeys(std::string keys) : keys_(std::move(keys)) {}
    /// Appends to `input` what is to be passed on. @return true when the sequence is complete
    bool scan(std::string_view typed, std::string& input);

  private:
    std::string keys_;
    std::size_t matched_ = 0;
};

/// The shim's ends of a command's three streams.
struct StreamEnds {
    UniqueFd in{};   ///< to be written; empty: the command has no input
    UniqueFd out{};  ///< to be read; a terminal's master
    UniqueFd err{};  ///< to be read; empty for a terminal
    bool terminal = false;
};

struct StreamRules {
    LogFile* log = nullptr;   ///< gets the lines; null: nobody does
    bool stdin_once = false;  ///< the input ends with the first client that had it
    /// How long a client that takes nothing may hold the command up; nothing: for ever.
    std::optional<std::chrono::milliseconds> hold{};
};

/// A command's streams, the log, and the clients that are attached. Never blocks, and needs the
/// memory of one piece of output for each client: when one does not take its piece, no more output
/// is read until it does, or until `hold` is over and output is left out for it.
class Streams {
  public:
    Streams(StreamEnds ends, StreamRules rules);

    void attach(Attachment attachment);
    /// The terminal that a command made for itself, after it was started.
    void set_terminal(UniqueFd master);
    /// @throws std::system_error ENOTTY without a terminal
    void resize(unsigned short rows, unsigned short columns) const;

    void add_interests(std::vector<Interest>& into);
    /// When something is to be done though nothing happens.
    [[nodiscard]] std::optional<ShimClock::time_point> deadline() const;

    [[nodiscard]] bool outputs_open() const { return outputs_[0].fd || outputs_[1].fd; }
    /// Whether output waits for a client.
    [[nodiscard]] bool held() const;
    /// Whether there is nothing to be read at this moment.
    [[nodiscard]] bool quiet() const;
    [[nodiscard]] std::size_t clients() const { return clients_.size(); }

    /// The command holds nothing up any more: what it left in its pipes is read at once, and kept
    /// for the clients that have not taken what came before.
    void command_has_ended() { command_ended_ = true; }
    /// After the command: what is left of lines goes to the log, and the clients' sockets are
    /// closed as soon as they have taken what is theirs, which a process of its own sees to when it
    /// takes longer.
    void end();

  private:
    struct Output {
        UniqueFd fd{};
        LogLines lines;
        bool is_err = false;
    };
    struct Client {
        UniqueFd socket{};
        bool in = false;
        bool out = false;
        bool err = false;
        bool framed = false;
        bool detached = false;
        bool hung_up = false;
        DetachKeys keys;
        std::string backlog{};  ///< what the socket had no room for
        ShimClock::time_point full_since{};
        std::uint64_t left_out = 0;  ///< bytes
    };

    void read_output(Output& output);
    void pass_on(Client& client, std::string_view bytes, bool is_err) const;
    void serve(Client& client, short events);
    void read_input(Client& client);
    void input_ended(Client& client);
    void write_input();
    void sweep();
    [[nodiscard]] bool holds(const Client& client) const;
    [[nodiscard]] bool takes_input(const Client& client) const;

    UniqueFd in_;
    std::array<Output, 2> outputs_;
    StreamRules rules_;
    bool terminal_ = false;
    std::string input_{};  ///< on its way to the command
    bool input_over_ = false;
    bool command_ended_ = false;
    std::list<Client> clients_{};
};

}  // namespace drydock
