#pragma once

#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "01-chroot/unique_fd.hpp"

#include "shim_execs.hpp"
#include "shim_protocol.hpp"
#include "shim_streams.hpp"

namespace drydock {

/// What a shim's server does its work on.
struct ServedContainer {
    Streams& streams;
    Child& child;
    ShimExecution::Place place{};
};

/// Answers what is asked on a shim's socket (shim_client.hpp). Never blocks.
class ShimServer {
  public:
    ShimServer(UniqueFd listening, ServedContainer served);

    void add_interests(std::vector<Interest>& into);
    /// Tells those who wait that an exec has ended. To be called after each turn.
    void after_turn();
    /// The children that are waited for here, and `first` unless it is 0.
    [[nodiscard]] std::vector<pid_t> children(pid_t first) const;
    /// No more requests; running execs have ended with the container.
    void end();

  private:
    struct Connection {
        UniqueFd socket{};
        std::unique_ptr<ShimExecution> exec{};
        bool waits = false;  ///< for the end of the container
    };

    void accept_one();
    void serve(Connection& connection);
    void answer(Connection& connection, ReceivedMessage received);
    void do_for(Connection& connection, ReceivedMessage received);
    void start_exec(Connection& connection, ReceivedMessage received);

    UniqueFd listening_;
    ServedContainer served_;
    std::list<Connection> connections_{};
};

}  // namespace drydock
