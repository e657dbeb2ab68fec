#pragma once

#include <sys/types.h>

#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// The daemon's side of drydock-names (names_service.hpp). For any number of threads.
class NamesProcess {
  public:
    /// @param socket where it is found; one that an earlier daemon started is used on
    explicit NamesProcess(std::filesystem::path socket) : socket_(std::move(socket)) {}

    /// Sends a message; starts the process if there is none.
    /// @return whether it was started just now, and knows nothing but this
    /// @throws std::system_error, SetupError
    bool tell(const std::string& message, std::span<const int> fds = {});

    /// Nobody is called by name any more: the process ends, if it serves nobody whom we do not
    /// know. The next message starts another one.
    void let_go() noexcept;

  private:
    bool connect();
    void start();

    std::filesystem::path socket_;
    std::mutex mutex_{};
    UniqueFd connection_{};
    pid_t pid_ = 0;        ///< of one that we started
    bool let_go_ = false;  ///< what may still be at the socket is about to end
};

/// Sockets at 127.0.0.11, port 53, of a network namespace: UDP and TCP. Nothing when there are such
/// already: then drydock-names has them.
/// @throws std::system_error
std::optional<std::pair<UniqueFd, UniqueFd>> name_sockets(int network_namespace);

}  // namespace drydock
