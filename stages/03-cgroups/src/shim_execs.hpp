#pragma once

#include <filesystem>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "01-chroot/child.hpp"
#include "03-cgroups/shim_client.hpp"

#include "shim_streams.hpp"

namespace drydock {

/// One more command in the container, the shim's side of it.
class ShimExecution {
  public:
    struct Place {
        std::filesystem::path runtime_root{};
        std::string id{};  ///< of the container
    };
    /// Starts it in a process of its own, which waits for the command: whatever happens while it is
    /// set up, the shim does not stand still.
    /// @param process a file that holds the runtime-spec's `process`
    ShimExecution(const Place& place, UniqueFd process, bool terminal,
                  std::optional<Attachment> attachment);

    [[nodiscard]] pid_t pid() const { return child_ ? child_.pid() : 0; }
    void resize(unsigned short rows, unsigned short columns);
    void signal(int number) const;
    void add_interests(std::vector<Interest>& into);
    /// Its exit status once it has ended and all that it said was passed on.
    [[nodiscard]] std::optional<int> ended() const;
    /// Closes the clients' sockets.
    void close() { streams_->end(); }

  private:
    void take_terminal();

    Child child_{};
    UniqueFd console_{};  ///< where the command's terminal comes from
    std::unique_ptr<Streams> streams_{};
    std::optional<std::pair<unsigned short, unsigned short>>
        size_{};  ///< until there is a terminal
    std::optional<int> exit_status_{};
};

}  // namespace drydock
