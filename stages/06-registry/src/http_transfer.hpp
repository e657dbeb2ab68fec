#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include <curl/curl.h>

#include "06-registry/http_client.hpp"

namespace drydock {

/// What one transfer has read so far; the callbacks' argument.
struct Transfer {
    const HttpCall* call = nullptr;
    HttpTrust trust{};  ///< the call's, but for another origin
    CURL* easy = nullptr;
    HttpReply reply{};
    std::size_t header_bytes = 0;
    bool head_told = false;
    std::uint64_t sent = 0;
    std::exception_ptr failure{};
};

/// Makes libcurl's handle tell `transfer`, which has to stay where it is, what comes, and take from
/// it what goes. An exception of the call's functions ends the transfer and waits in it.
void set_callbacks(Transfer& transfer);

/// What went wrong, in words that name the origin, and say what to look at.
HttpUnreachable unreachable(CURLcode code, const std::string& url, const char* detail);

/// curl_easy_setopt().
/// @throws std::runtime_error for an option that this libcurl does not have
template <class Value>
void set_option(CURL* handle, CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(handle, option, value);
    if (code != CURLE_OK) {
        throw std::runtime_error(std::string("curl_easy_setopt(): ") + curl_easy_strerror(code));
    }
}

}  // namespace drydock
