#include "06-registry/fetch_url.hpp"

#include <arpa/inet.h>

#include <array>
#include <cstring>

#include <curl/curl.h>
#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "06-registry/http_client.hpp"

namespace drydock {
namespace {

bool is_fetchable_ipv4(std::uint32_t address) {
    const std::uint32_t first = address >> 24U;
    const bool link_local = address >> 16U == 0xA9FE;  // 169.254.0.0/16
    const bool metadata = address == 0x646464C8;       // 100.100.100.200
    constexpr std::uint32_t kLoopback = 127;
    constexpr std::uint32_t kMulticast = 224;
    return first != 0 && first != kLoopback && first < kMulticast && !link_local && !metadata;
}

}  // namespace

// [region: fetchable-address]
bool is_fetchable_address(const std::string& address) {
    in_addr four{};
    if (::inet_pton(AF_INET, address.c_str(), &four) == 1) {
        return is_fetchable_ipv4(ntohl(four.s_addr));
    }
    in6_addr six{};
    if (::inet_pton(AF_INET6, address.c_str(), &six) != 1) {
        return false;
    }
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &six, bytes.size());
    std::uint32_t last = 0;
    std::memcpy(&last, &bytes[12], sizeof last);
    if (IN6_IS_ADDR_V4MAPPED(&six) || IN6_IS_ADDR_V4COMPAT(&six)) {
        return is_fetchable_ipv4(ntohl(last));
    }
    const bool metadata = bytes[0] == 0xFD && bytes[1] == 0 && bytes[2] == 0x0E && bytes[3] == 0xC2;
    return !IN6_IS_ADDR_LOOPBACK(&six) && !IN6_IS_ADDR_UNSPECIFIED(&six) &&
           !IN6_IS_ADDR_LINKLOCAL(&six) && !IN6_IS_ADDR_MULTICAST(&six) && !metadata;
}
// [/region]

FetchedUrl fetch_url(const std::string& url, int fd, const FetchOptions& options) {
    HttpCall get{.url = url, .tick = options.tick};
    std::uint64_t size = 0;
    get.sink = [&](std::string_view bytes) {
        size += bytes.size();
        if (size > options.limit) {
            throw InputError(fmt::format("{}: larger than {} bytes", url, options.limit));
        }
        write_all(fd, bytes, url);
    };
    if (!options.local_addresses) {
        get.may_connect = is_fetchable_address;
    }
    try {
        const HttpReply reply = HttpClient().call(get);
        if (reply.status != 200) {
            throw InputError(fmt::format("{}: the server answered {}", url, reply.status));
        }
        const std::string* modified = find_header(reply.headers, "Last-Modified");
        const auto seconds = modified == nullptr ? -1 : curl_getdate(modified->c_str(), nullptr);
        return {.last_modified = seconds < 0 ? std::nullopt : std::optional<std::int64_t>(seconds)};
    } catch (const HttpUnreachable& error) {
        throw InputError(fmt::format("{}: {}", url, error.what()));
    }
}

}  // namespace drydock
