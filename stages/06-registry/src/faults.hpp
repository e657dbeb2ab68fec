#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "06-registry/http.hpp"

namespace drydock {

/// What a registry does wrong on purpose, so that a client can be seen to bear it.
struct Fault {
    enum class Kind { Flip, Cut, Stall, Status, IgnoreRange };
    Kind kind = Kind::Status;
    std::uint64_t value = 0;               ///< byte of the blob, or status
    std::optional<std::uint64_t> times{};  ///< how often; nothing: always
    std::string where{};                   ///< only requests whose "METHOD /path" has this in it
};

/// Reads one:
///
///     flip=N        byte N of a blob, from 0 on, is another one
///     cut=N         the connection is closed before byte N of a blob
///     stall=N       before byte N of a blob the server falls silent
///     status=N      the answer is that status
///     ignore-range  a Range is not heard
///
/// with ",times=K" (the first K requests only) and ",for=TEXT" (those whose "METHOD /path" has TEXT
/// in it) behind it.
/// @throws InputError
Fault parse_fault(const std::string& text);

/// The faults of a server. From any number of threads.
class Faults {
  public:
    /// @throws InputError
    explicit Faults(const std::vector<std::string>& texts);

    /// Answers with a status, if that is what is wrong. @throws HttpError
    void refuse(const HttpRequest& request);
    /// Answers a GET for a blob, wrongly. @return false when nothing is wrong
    bool answer_blob(HttpExchange& exchange, int fd, std::uint64_t size,
                     const HttpHeaders& headers);

  private:
    std::optional<Fault> next(const HttpRequest& request, bool of_blob);

    std::mutex mutex_{};
    std::vector<Fault> faults_{};
};

}  // namespace drydock
