#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "01-chroot/unique_fd.hpp"
#include "07-compose/engine/container_log.hpp"
#include "07-compose/engine/engine.hpp"

namespace drydock::api {

struct LogRequest {
    bool out = false;
    bool err = false;
    bool follow = false;
    bool timestamps = false;
    bool framed = true;  ///< each line in Docker's frame; false for the output of a terminal
    std::optional<std::uint64_t> tail{};  ///< lines; nothing: all
    std::optional<Time> since{};
    std::optional<Time> until{};
};

/// The line as a client gets it.
std::string shown(const LogLine& line, const LogRequest& request);

/// A container's log on its way to a client.
class LogStream {
  public:
    /// What is written from now on is not missed.
    LogStream(Engine& engine, std::string id, LogRequest request);

    /// Sends frames to `send`. With follow it goes on until the container has ended, also of one
    /// that is not started yet, and until `await` says that nobody listens any more.
    /// @param await blocks until its descriptor is readable, or a while; false: stop
    void run(const std::function<void(std::string_view)>& send,
             const std::function<bool(int)>& await);

  private:
    [[nodiscard]] bool wants(const LogLine& line) const;
    [[nodiscard]] bool may_go_on() const;
    void drain(const std::function<void(std::string_view)>& send);

    Engine& engine_;
    std::string id_;
    LogRequest request_;
    std::shared_ptr<KeptFiles> files_;
    UniqueFd directory_;  ///< of the container; in the trash once it is removed
    LogReader reader_;
    UniqueFd changes_{};        ///< an inotify descriptor on the container's directory
    ContainerStatus before_{};  ///< when we began
};

}  // namespace drydock::api
