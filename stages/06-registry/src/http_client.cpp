#include "06-registry/http_client.hpp"

#include <array>
#include <exception>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "01-chroot/error.hpp"

#include "http_transfer.hpp"

namespace drydock {
namespace {

constexpr int kMaxRedirects = 5;
constexpr long kConnectSeconds = 15;
constexpr long kStallSeconds = 60;

struct ListFree {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
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
    void prepare_trust(const HttpTrust& trust);
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
    const auto set = [handle](CURLoption option, auto value) { set_option(handle, option, value); };
    curl_easy_reset(handle);  // connections stay
    set_callbacks(transfer);
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
    set(CURLOPT_BUFFERSIZE, 256L << 10U);
    if (call.may_connect) {
        set(CURLOPT_FRESH_CONNECT, 1L);
        set(CURLOPT_PROXY, "");  // a proxy would look the name up where we cannot see it
    }
    prepare_trust(transfer.trust);
    if (call.method == "HEAD") {
        set(CURLOPT_NOBODY, 1L);
    } else if (call.upload_fd >= 0 || call.source) {
        set(CURLOPT_UPLOAD, 1L);
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

void HttpClient::State::prepare_trust(const HttpTrust& trust) {
    if (!trust.verify) {
        set_option(easy.get(), CURLOPT_SSL_VERIFYPEER, 0L);
        set_option(easy.get(), CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (!trust.ca_file.empty()) {
        set_option(easy.get(), CURLOPT_CAINFO, trust.ca_file.c_str());
    }
    if (!trust.certificate.empty()) {
        set_option(easy.get(), CURLOPT_SSLCERT, trust.certificate.c_str());
        set_option(easy.get(), CURLOPT_SSLKEY, trust.key.c_str());
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
        throw unreachable(code, url, detail.data());
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

}  // namespace drydock
