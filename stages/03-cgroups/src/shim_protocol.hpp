#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "03-cgroups/shim_client.hpp"

namespace drydock {

// What goes over a shim's socket: messages of one length, each whole (SOCK_SEQPACKET), with
// descriptors beside them (SCM_RIGHTS). Client and shim are the same build of Drydock or an older
// and a newer one: the magic number changes with the layout.

enum class Verb : std::uint32_t {
    Reply,   ///< number: 0 or the errno; value: a pid; text: what went wrong
    Attach,  ///< flags, detach keys; descriptors: the socket [, a file with input]
    Start,   ///< of the connection that a shim is started with: no more attachments come
    Resize,  ///< rows, columns
    Signal,  ///< number
    Wait,    ///< answered at the end of the container
    Exec,   ///< flags, detach keys; descriptors: a file with the process, the socket [, a file with
            ///< input]
    Ended,  ///< from the shim, of an exec: value is its exit status
};

enum ShimFlag : std::uint32_t {
    kFlagIn = 1U << 0U,
    kFlagOut = 1U << 1U,
    kFlagErr = 1U << 2U,
    kFlagFramed = 1U << 3U,
    kFlagAttached = 1U << 4U,  ///< an exec with a socket
    kFlagTerminal = 1U << 5U,  ///< an exec with a terminal
};

struct ShimMessage {
    std::uint32_t magic = 0x64726b31;  // "drk1"
    Verb verb = Verb::Reply;
    std::uint32_t flags = 0;
    std::int32_t number = 0;
    std::int32_t value = 0;
    std::uint16_t rows = 0;
    std::uint16_t columns = 0;
    std::uint32_t keys_length = 0;
    std::array<char, 16> keys{};
    std::array<char, 468> text{};  ///< ends with a NUL
};
static_assert(std::is_trivially_copyable_v<ShimMessage> && sizeof(ShimMessage) == 512);

struct ReceivedMessage {
    ShimMessage message{};
    std::vector<UniqueFd> fds{};
};

inline constexpr const char* kShimSocket = "shim.sock";  ///< in the bundle

/// The descriptors that came with a message, owned.
std::vector<UniqueFd> take_descriptors(msghdr& header);

/// Puts as much of `text` into the message as fits.
void set_text(ShimMessage& message, std::string_view text);
std::string text_of(const ShimMessage& message);

/// Blocks while the other end's queue is full, unless `flags` has MSG_DONTWAIT.
/// @throws std::system_error
void send_message(int socket, const ShimMessage& message, const std::vector<int>& fds = {},
                  int flags = 0);
/// Blocks unless `flags` has MSG_DONTWAIT. @return nothing when the other end is closed
/// @throws InputError for what is no message; std::system_error EAGAIN
std::optional<ReceivedMessage> receive_message(int socket, int flags = 0);

/// The message that hands `attachment` over, and the descriptors that go with it.
struct OutgoingMessage {
    ShimMessage message{};
    std::vector<UniqueFd> fds{};
};
/// @throws InputError for detach keys that are too long
OutgoingMessage attach_message(Attachment attachment);
/// The other way round. @throws InputError when descriptors are missing
Attachment attachment_of(const ShimMessage& message, std::vector<UniqueFd> fds);

/// A file in memory that holds `bytes`, its position at the beginning.
UniqueFd memory_file(std::string_view bytes);

/// Listens at BUNDLE/shim.sock, for our own user only; replaces a socket that is left there.
/// However long the bundle's path is.
UniqueFd listen_in(int bundle_fd);
/// @throws InputError when nobody listens
UniqueFd connect_to_shim(const std::filesystem::path& bundle);

}  // namespace drydock
