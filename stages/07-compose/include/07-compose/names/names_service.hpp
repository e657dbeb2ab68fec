#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "07-compose/names/name_book.hpp"
#include "07-compose/names/name_server.hpp"

namespace drydock {

// drydock-names: answers for names in all containers of one daemon, and goes on when the daemon is
// killed. It ends when no daemon and no container is left.
//
// The daemon tells it what it knows on a socket (fd_message.hpp):
//   "put ID JSON"   what a container is called (name_book.hpp); with two sockets, UDP and TCP, at
//                   127.0.0.11 of its network: answer there
//   "life ID"       and a pidfd: the container goes when that process ends
//   "drop ID"       the container is gone
// A container without a life goes with the daemon: its start has failed.

/// @param listener of the socket to which daemons connect; the first is there already
/// @throws std::system_error when the kernel refuses even to wait
void run_names_service(UniqueFd listener);

/// What that does with one message, and what is left when a daemon goes.
class NamesService {
  public:
    /// @return false for what is no such message: who sends it is not listened to any more
    bool take(const std::string& text, std::vector<UniqueFd> fds);
    void daemon_went();
    void drop(const std::string& container);
    /// Of each container that has a life: its pidfd.
    [[nodiscard]] const std::map<std::string, UniqueFd>& lives() const noexcept { return lives_; }
    [[nodiscard]] const NameBook& book() const noexcept { return book_; }

  private:
    NameBook book_{};
    std::set<std::string> unborn_{};
    std::map<std::string, UniqueFd> lives_{};
    NameServer server_{book_.source()};
};

}  // namespace drydock
