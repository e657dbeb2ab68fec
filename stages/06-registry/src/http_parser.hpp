#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "06-registry/http.hpp"

namespace drydock {

inline constexpr std::size_t kMaxRequestLine = std::size_t{64} << 10U;
inline constexpr std::size_t kMaxHeaders = std::size_t{64} << 10U;

/// Where the head of a request ends in `input`: the offset behind its empty line, or 0 when that
/// has not come yet. Empty lines before a request line are not skipped.
/// @throws HttpError 414 or 431 when it can only become too long
std::size_t end_of_head(std::string_view input);

/// The phrase behind a status: "Not Found"; "Unknown" when there is none.
std::string_view reason_phrase(int status);

/// Reads one request by Boost.Beast's parser, after refusing what that lets pass.
class HttpParser {
  public:
    HttpParser();
    ~HttpParser();
    HttpParser(HttpParser&&) noexcept;
    HttpParser& operator=(HttpParser&&) noexcept;
    HttpParser(const HttpParser&) = delete;
    HttpParser& operator=(const HttpParser&) = delete;

    /// @param head everything up to end_of_head()
    /// @throws HttpError 400, 417, 501, 505 for what is not HTTP/1.x by the letter of RFC 9112
    HttpRequest parse_head(std::string_view head);

    struct Decoded {
        std::size_t consumed = 0;  ///< bytes of the input that are dealt with
        std::size_t produced = 0;  ///< bytes of body written
        bool done = false;         ///< the body ended
    };
    /// Takes the chunk framing off. Nothing consumed and nothing produced: more input is needed.
    /// @throws HttpError 400 for broken framing
    Decoded decode_chunks(std::string_view input, std::span<std::byte> into);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace drydock
