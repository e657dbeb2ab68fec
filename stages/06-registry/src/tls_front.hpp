#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "01-chroot/unique_fd.hpp"
#include "06-registry/http.hpp"

namespace drydock {

/// A certificate and its key, PEM files.
struct TlsFiles {
    std::filesystem::path certificate{};  ///< with those between it and its authority behind it
    std::filesystem::path key{};
};

/// Makes a key and a certificate that it signs itself in `directory`, for localhost, 127.0.0.1, ::1
/// and this machine's name, unless they are there already. Clients can trust the file.
TlsFiles self_signed_certificate(const std::filesystem::path& directory);

/// Speaks TLS (1.2 or newer) on a listening socket, and hands each connection on as plain bytes:
/// the server behind it knows nothing of TLS. A thread for each connection.
class TlsFront {
  public:
    using HandOver = std::function<void(UniqueFd plain, HttpPeer peer)>;
    /// @param listen, @param any_address as Listener has them
    /// @throws InputError for files that are no certificate and key, or not of one another
    TlsFront(const TlsFiles& files, const std::string& listen, bool any_address,
             HandOver hand_over);
    /// Ends all connections.
    ~TlsFront();
    TlsFront(const TlsFront&) = delete;
    TlsFront& operator=(const TlsFront&) = delete;
    TlsFront(TlsFront&&) = delete;
    TlsFront& operator=(TlsFront&&) = delete;

    [[nodiscard]] const std::string& address() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace drydock
