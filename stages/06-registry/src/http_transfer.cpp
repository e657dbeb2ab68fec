// What libcurl calls while a request of HttpClient is under way.
#include "http_transfer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMaxHeaderBytes = std::size_t{64} << 10U;

/// An exception must not cross libcurl's frames: it waits in the Transfer.
template <class Body>
std::size_t guarded(Transfer& transfer, std::size_t on_failure, const Body& body) {
    try {
        return body();
    } catch (...) {
        transfer.failure = std::current_exception();
        return on_failure;
    }
}

std::size_t on_body(char* bytes, std::size_t /*one*/, std::size_t count, void* user) {
    auto& transfer = *static_cast<Transfer*>(user);
    return guarded(transfer, 0, [&] {
        long status = 0;
        curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
        if (transfer.call->sink && status >= 200 && status < 300) {
            if (transfer.call->head && !std::exchange(transfer.head_told, true)) {
                transfer.reply.status = static_cast<int>(status);
                transfer.call->head(transfer.reply);
            }
            transfer.call->sink(std::string_view(bytes, count));
            return count;
        }
        if (transfer.reply.body.size() + count > transfer.call->body_limit) {
            throw InputError(fmt::format("{}: the answer is larger than {} bytes",
                                         transfer.call->url, transfer.call->body_limit));
        }
        transfer.reply.body.append(bytes, count);
        return count;
    });
}

std::size_t on_header(char* bytes, std::size_t /*one*/, std::size_t count, void* user) {
    auto& transfer = *static_cast<Transfer*>(user);
    return guarded(transfer, 0, [&] {
        transfer.header_bytes += count;
        if (transfer.header_bytes > kMaxHeaderBytes) {
            throw InputError(fmt::format("{}: the headers of the answer are larger than {} bytes",
                                         transfer.call->url, kMaxHeaderBytes));
        }
        std::string_view line(bytes, count);
        if (line.starts_with("HTTP/")) {  // a new head: the one before was 100 Continue
            transfer.reply.headers.clear();
            return count;
        }
        while (line.ends_with('\n') || line.ends_with('\r') || line.ends_with(' ')) {
            line.remove_suffix(1);
        }
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos) {
            std::string_view value = line.substr(colon + 1);
            value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
            transfer.reply.headers.push_back(
                {.name = std::string(line.substr(0, colon)), .value = std::string(value)});
        }
        return count;
    });
}

std::size_t on_upload(char* buffer, std::size_t one, std::size_t count, void* user) {
    auto& transfer = *static_cast<Transfer*>(user);
    return guarded(transfer, CURL_READFUNC_ABORT, [&] {
        const std::uint64_t left = transfer.call->upload_size - transfer.sent;
        const std::uint64_t most = std::min<std::uint64_t>(one * count, left);
        const auto offset = static_cast<off_t>(transfer.call->upload_offset + transfer.sent);
        const auto n =
            transfer.call->source
                ? static_cast<ssize_t>(
                      most == 0 ? 0
                                : transfer.call->source({buffer, static_cast<std::size_t>(most)}))
                : check(::pread(transfer.call->upload_fd, buffer, most, offset), "pread(offset={})",
                        offset);
        transfer.sent += static_cast<std::uint64_t>(n);
        if (transfer.call->uploaded) {
            transfer.call->uploaded(transfer.sent);
        }
        return static_cast<std::size_t>(n);
    });
}

int on_tick(void* user, curl_off_t /*total*/, curl_off_t /*now*/, curl_off_t /*upload*/,
            curl_off_t /*sent*/) {
    auto& transfer = *static_cast<Transfer*>(user);
    return static_cast<int>(guarded(transfer, 1, [&]() -> std::size_t {
        transfer.call->tick();
        return 0;
    }));
}

/// libcurl begins again when a connection that it kept open turns out to be closed.
int on_rewind(void* user, curl_off_t offset, int origin) {
    auto& transfer = *static_cast<Transfer*>(user);
    if (origin != SEEK_SET || transfer.call->source) {
        return CURL_SEEKFUNC_FAIL;
    }
    transfer.sent = static_cast<std::uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
}

/// curl_opensocket_callback: libcurl has looked the name up, and connects to just this address.
curl_socket_t on_socket(void* user, curlsocktype /*purpose*/, curl_sockaddr* address) {
    auto& transfer = *static_cast<Transfer*>(user);
    const std::size_t refused = 1;
    const std::size_t rc = guarded(transfer, refused, [&]() -> std::size_t {
        std::array<char, INET6_ADDRSTRLEN> text{};
        const void* bytes =
            address->family == AF_INET
                ? static_cast<const void*>(
                      &reinterpret_cast<const sockaddr_in*>(&address->addr)->sin_addr)
                : &reinterpret_cast<const sockaddr_in6*>(&address->addr)->sin6_addr;
        if (::inet_ntop(address->family, bytes, text.data(), text.size()) == nullptr ||
            !transfer.call->may_connect(text.data())) {
            throw HttpUnreachable(fmt::format("{}: its address {} is not one to fetch from",
                                              transfer.call->url, text.data()));
        }
        return 0;
    });
    return rc == refused
               ? CURL_SOCKET_BAD
               : ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::string unreachable_text(CURLcode code, const std::string& url, const char* detail) {
    const std::string where = origin_of(url);
    const std::string why = *detail != '\0' ? detail : curl_easy_strerror(code);
    switch (code) {
        case CURLE_COULDNT_CONNECT:
            return fmt::format(
                "cannot reach {}: {}; check that a registry listens there and no firewall is "
                "between",
                where, why);
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
            return fmt::format(
                "cannot reach {}: {}; check the spelling of the host and the network", where, why);
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_PEER_FAILED_VERIFICATION:
            return fmt::format(
                "cannot trust {}: {}; check its certificate, or whether it speaks https at all",
                where, why);
        case CURLE_OPERATION_TIMEDOUT:
            return fmt::format("{} does not answer: {}", where, why);
        default:
            return fmt::format("{}: {}", where, why);
    }
}

HttpUnreachable::Kind kind_of(CURLcode code) {
    switch (code) {
        case CURLE_PARTIAL_FILE:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_OPERATION_TIMEDOUT:
            return HttpUnreachable::Kind::Cut;
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_PEER_FAILED_VERIFICATION:
            return HttpUnreachable::Kind::NoTrust;
        default:
            return HttpUnreachable::Kind::NoConnection;
    }
}

}  // namespace

void set_callbacks(Transfer& transfer) {
    const HttpCall& call = *transfer.call;
    CURL* handle = transfer.easy;
    set_option(handle, CURLOPT_WRITEFUNCTION, on_body);
    set_option(handle, CURLOPT_WRITEDATA, &transfer);
    set_option(handle, CURLOPT_HEADERFUNCTION, on_header);
    set_option(handle, CURLOPT_HEADERDATA, &transfer);
    if (call.tick) {
        set_option(handle, CURLOPT_NOPROGRESS, 0L);
        set_option(handle, CURLOPT_XFERINFOFUNCTION, on_tick);
        set_option(handle, CURLOPT_XFERINFODATA, &transfer);
    }
    if (call.may_connect) {
        set_option(handle, CURLOPT_OPENSOCKETFUNCTION, on_socket);
        set_option(handle, CURLOPT_OPENSOCKETDATA, &transfer);
    }
    if (call.upload_fd >= 0 || call.source) {
        set_option(handle, CURLOPT_READFUNCTION, on_upload);
        set_option(handle, CURLOPT_READDATA, &transfer);
        set_option(handle, CURLOPT_SEEKFUNCTION, on_rewind);
        set_option(handle, CURLOPT_SEEKDATA, &transfer);
    }
}

HttpUnreachable unreachable(CURLcode code, const std::string& url, const char* detail) {
    return HttpUnreachable(unreachable_text(code, url, detail), kind_of(code));
}

}  // namespace drydock
