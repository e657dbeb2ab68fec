#include "06-registry/url.hpp"

#include <memory>

#include <curl/curl.h>
#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

struct UrlCloser {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlCloser>;

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

}  // namespace

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
