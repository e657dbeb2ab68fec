#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drydock::cli {

/// Status line and header fields of an HTTP/1.1 response.
struct ResponseHead {
    int status = 0;
    std::string reason{};
    std::vector<std::pair<std::string, std::string>> fields{};  ///< names in lower case

    /// @param name in lower case @return "" when the field is not there
    [[nodiscard]] std::string field(std::string_view name) const;
};

/// Reads one response from its bytes, in pieces as they come from a socket. Three ways to know
/// where the body ends: chunks, Content-Length, or the end of the connection.
/// @see RFC 9112, "Message Body Length", "Chunked Transfer Coding"
class ResponseParser {
  public:
    /// Takes bytes in. What of the body they hold is kept until take_body().
    /// @throws InputError with the byte offset when they are no HTTP response
    void feed(std::string_view bytes);
    /// The connection has ended.
    /// @throws InputError when the response has not
    void end();

    [[nodiscard]] bool has_head() const noexcept { return state_ != State::Head; }
    [[nodiscard]] const ResponseHead& head() const noexcept { return head_; }
    /// The body is complete; what is left of it is in take_body().
    [[nodiscard]] bool complete() const noexcept { return state_ == State::Complete; }
    [[nodiscard]] bool has_body() const noexcept { return !body_.empty(); }
    /// What has come of the body since the last call.
    [[nodiscard]] std::string take_body() { return std::exchange(body_, {}); }

  private:
    enum class State { Head, Length, UntilEnd, ChunkSize, ChunkData, ChunkEnd, Trailer, Complete };

    /// @return false when more bytes are needed
    bool step();
    bool read_head();
    void choose_framing();
    bool read_counted(State next);
    bool read_chunk_size();
    std::optional<std::string> take_line();

    State state_ = State::Head;
    ResponseHead head_{};
    std::string pending_{};  ///< fed, not yet understood
    std::string body_{};
    std::uint64_t left_ = 0;  ///< bytes left of this chunk or of the body
    std::uint64_t offset_ = 0;
};

}  // namespace drydock::cli
