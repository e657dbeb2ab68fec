#include "06-registry/http_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock {
namespace {

constexpr int kMaxRedirects = 5;
constexpr std::size_t kMaxHeaderBytes = std::size_t{64} << 10U;
constexpr long kConnectSeconds = 15;
constexpr long kStallSeconds = 60;

struct UrlCloser {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlCloser>;

struct ListFree {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK) {
        return {};
    }
    std::string result(text);
    curl_free(text);
    return result;
}

Url parsed(const std::string& text) {
    Url url(curl_url());
    if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
        throw InputError(
            fmt::format("URL \"{}\": expected http://host/path or https://host/path", text));
    }
    const std::string scheme = part_of(url.get(), CURLUPART_SCHEME);
    if (scheme != "http" && scheme != "https") {
        throw InputError(fmt::format("URL \"{}\": expected http:// or https://", text));
    }
    return url;
}

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

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
        const auto n = check(
            ::pread(transfer.call->upload_fd, buffer, std::min<std::uint64_t>(one * count, left),
                    static_cast<off_t>(transfer.sent)),
            "pread(offset={})", transfer.sent);
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
    if (origin != SEEK_SET) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    static_cast<Transfer*>(user)->sent = static_cast<std::uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
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

void initialise() {
    static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (done != CURLE_OK) {
        throw std::runtime_error(fmt::format("curl_global_init(): {}", curl_easy_strerror(done)));
    }
}

}  // namespace

struct HttpClient::State {
    std::unique_ptr<CURL, void (*)(CURL*)> easy{nullptr, curl_easy_cleanup};

    HttpReply once(const HttpCall& call, const std::string& url, bool with_credentials);
    void prepare(const HttpCall& call, const std::string& url, Transfer& transfer,
                 curl_slist* headers);
};

HttpClient::HttpClient() : state_(std::make_unique<State>()) {
    initialise();
    state_->easy.reset(curl_easy_init());
    if (!state_->easy) {
        throw std::runtime_error("curl_easy_init(): no memory");
    }
}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

void HttpClient::State::prepare(const HttpCall& call, const std::string& url, Transfer& transfer,
                                curl_slist* headers) {
    CURL* handle = easy.get();
    const auto set = [&](CURLoption option, auto value) {
        const CURLcode code = curl_easy_setopt(handle, option, value);
        if (code != CURLE_OK) {
            throw std::runtime_error(
                fmt::format("curl_easy_setopt(): {}", curl_easy_strerror(code)));
        }
    };
    curl_easy_reset(handle);  // connections stay
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION,
        0L);  // followed by hand: what credentials may go where is ours to say
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, kStallSeconds);
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_USERAGENT, "drydock");
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, &transfer);
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, &transfer);
    if (call.tick) {
        set(CURLOPT_NOPROGRESS, 0L);
        set(CURLOPT_XFERINFOFUNCTION, on_tick);
        set(CURLOPT_XFERINFODATA, &transfer);
    }
    set(CURLOPT_BUFFERSIZE, 256L << 10U);
    if (call.may_connect) {
        set(CURLOPT_OPENSOCKETFUNCTION, on_socket);
        set(CURLOPT_OPENSOCKETDATA, &transfer);
        set(CURLOPT_FRESH_CONNECT, 1L);
        set(CURLOPT_PROXY, "");  // a proxy would look the name up where we cannot see it
    }
    if (!transfer.trust.verify) {
        set(CURLOPT_SSL_VERIFYPEER, 0L);
        set(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (!transfer.trust.ca_file.empty()) {
        set(CURLOPT_CAINFO, transfer.trust.ca_file.c_str());
    }
    if (!transfer.trust.certificate.empty()) {
        set(CURLOPT_SSLCERT, transfer.trust.certificate.c_str());
        set(CURLOPT_SSLKEY, transfer.trust.key.c_str());
    }
    if (call.method == "HEAD") {
        set(CURLOPT_NOBODY, 1L);
    } else if (call.upload_fd >= 0) {
        set(CURLOPT_UPLOAD, 1L);
        set(CURLOPT_READFUNCTION, on_upload);
        set(CURLOPT_READDATA, &transfer);
        set(CURLOPT_SEEKFUNCTION, on_rewind);
        set(CURLOPT_SEEKDATA, &transfer);
        set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(call.upload_size));
        set(CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20U);
    } else if (call.method != "GET") {
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
        set(CURLOPT_POSTFIELDS, call.body.data());
    }
    if (call.method != "HEAD") {
        set(CURLOPT_CUSTOMREQUEST, call.method.c_str());
    }
}

HttpReply HttpClient::State::once(const HttpCall& call, const std::string& url,
                                  bool with_credentials) {
    std::unique_ptr<curl_slist, ListFree> headers;
    bool typed = false;
    for (const HttpHeader& header : call.headers) {
        typed = typed || same_letters(header.name, "Content-Type");
        if (with_credentials || !same_letters(header.name, "Authorization")) {
            headers.reset(curl_slist_append(
                headers.release(), fmt::format("{}: {}", header.name, header.value).c_str()));
        }
    }
    if (!typed) {
        headers.reset(
            curl_slist_append(headers.release(), "Content-Type:"));  // not curl's own guess
    }
    // A certificate that need not be checked, or ours to show, is a matter of that origin alone.
    Transfer transfer{
        .call = &call, .trust = with_credentials ? call.trust : HttpTrust{}, .easy = easy.get()};
    prepare(call, url, transfer, headers.get());
    std::array<char, CURL_ERROR_SIZE> detail{};
    curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, detail.data());
    const CURLcode code = curl_easy_perform(easy.get());
    curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, nullptr);
    if (transfer.failure) {
        std::rethrow_exception(transfer.failure);
    }
    if (code != CURLE_OK) {
        throw HttpUnreachable(unreachable_text(code, url, detail.data()), kind_of(code));
    }
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    transfer.reply.status = static_cast<int>(status);
    transfer.reply.url = url;
    return std::move(transfer.reply);
}

// [region: redirects]
HttpReply HttpClient::call(const HttpCall& call) {
    std::string url = call.url;
    for (int hop = 0; hop <= kMaxRedirects; ++hop) {
        // Credentials belong to the origin they were given for, whoever sends us elsewhere.
        HttpReply reply = state_->once(call, url, origin_of(url) == origin_of(call.url));
        const std::string* location = find_header(reply.headers, "Location");
        if (!is_redirect(reply.status) || location == nullptr ||
            (call.method != "GET" && call.method != "HEAD")) {
            return reply;
        }
        std::string next = resolve_url(url, *location);
        if (origin_of(url).starts_with("https:") && origin_of(next).starts_with("http:")) {
            throw HttpUnreachable(fmt::format("{} redirects from https to {}: refused",
                                              origin_of(url), origin_of(next)));
        }
        url = std::move(next);
    }
    throw HttpUnreachable(
        fmt::format("{}: more than {} redirects", origin_of(call.url), kMaxRedirects));
}
// [/region]

std::string origin_of(const std::string& url) {
    const Url parts = parsed(url);
    return fmt::format("{}://{}:{}", part_of(parts.get(), CURLUPART_SCHEME),
                       part_of(parts.get(), CURLUPART_HOST),
                       part_of(parts.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

std::string resolve_url(const std::string& base, const std::string& location) {
    const Url url = parsed(base);
    if (curl_url_set(url.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) {
        throw InputError(fmt::format("\"{}\" from {}: not a URL", location, base));
    }
    return part_of(url.get(), CURLUPART_URL);
}

}  // namespace drydock
