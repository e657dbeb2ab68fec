#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "01-chroot/unique_fd.hpp"

namespace drydock {

/// Owns a listening socket, and the name of a Unix one in the file system.
class Listener {
  public:
    /// Listens on "unix:///absolute/path", "HOST:PORT" or "tcp://HOST:PORT"; HOST is an IP address
    /// or "localhost".
    ///
    /// A Unix socket gets mode 0660; one that is there already and that nobody listens on is
    /// replaced.
    /// @param any_address take also addresses from which other machines can be reached
    /// @throws InputError for what is no address, is not loopback, or is in use; std::system_error
    explicit Listener(const std::string& address, bool any_address = false);
    ~Listener();
    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&& other) = delete;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// In the form given, with the real port.
    [[nodiscard]] const std::string& address() const noexcept { return address_; }

  private:
    void listen_unix(const std::filesystem::path& path);
    void listen_tcp(const std::string& host, const std::string& port, bool any_address);

    UniqueFd fd_{};
    std::string address_{};
    std::filesystem::path path_{};  ///< of a Unix socket that is ours to unlink
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace drydock
