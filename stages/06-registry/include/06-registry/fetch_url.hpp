#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "05-images/builder.hpp"

namespace drydock {

struct FetchOptions {
    std::uint64_t limit = std::uint64_t{8} << 30U;  ///< bytes
    /// Also from this machine and its link: a Dockerfile that somebody else wrote could otherwise
    /// read what only local programs may.
    bool local_addresses = false;
    std::function<void()> tick{};  ///< as HttpCall::tick
};

/// Writes what is behind an http or https URL to `fd`; what ADD uses (BuildRequest::fetch_url). The
/// address is looked at when it is connected to, also behind a redirect: loopback, link-local (with
/// the metadata services of clouds), unspecified and multicast ones are refused. No proxy is used.
/// @throws InputError naming the URL
FetchedUrl fetch_url(const std::string& url, int fd, const FetchOptions& options = {});

/// Whether fetch_url() connects to the address, an IP address as inet_ntop(3) writes it.
bool is_fetchable_address(const std::string& address);

}  // namespace drydock
