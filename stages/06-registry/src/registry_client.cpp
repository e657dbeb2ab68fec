#include "registry_client.hpp"

#include <algorithm>
#include <charconv>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/manifest.hpp"

namespace drydock {
namespace {

/// The registry's own words in an error body, or nothing that can be read.
std::string said(const HttpReply& reply) {
    const auto body = nlohmann::json::parse(reply.body, nullptr, false);
    if (body.is_object() && body.contains("errors") && body["errors"].is_array() &&
        !body["errors"].empty()) {
        const auto& error = body["errors"][0];
        if (error.is_object() && error.contains("message") && error["message"].is_string()) {
            std::string text = error["message"].get<std::string>().substr(0, 500);
            std::ranges::replace_if(text, [](unsigned char c) { return c < ' ' || c == 127; }, ' ');
            return text;
        }
    }
    return {};
}

}  // namespace

RegistryClient::RegistryClient(const Reference& reference, Credentials credentials,
                               std::string action)
    : access_(registry_access(reference.domain)),
      origin_(access_.origins.front()),
      name_(reference.path),
      reference_(reference),
      credentials_(std::move(credentials)),
      action_(std::move(action)) {}

RegistryClient RegistryClient::another() const {
    RegistryClient result(reference_, credentials_, action_);
    result.origin_ = origin_;
    result.origin_answers_ = origin_answers_;
    result.retry_ = retry_;
    result.scopes_ = scopes_;
    result.authorization_ = authorization_;
    result.tick_ = tick_;
    result.explain_ = explain_;
    return result;
}

std::string RegistryClient::url(std::string_view kind, std::string_view tail) const {
    return fmt::format("{}/v2/{}/{}/{}", origin_, name_, kind, tail);
}

void RegistryClient::fail(const HttpReply& reply, std::string_view what) const {
    const std::string words = said(reply);
    if (reply.status == 401 || reply.status == 403) {
        throw RegistryError(
            fmt::format("access to {} on {} denied: {}", name_.empty() ? "the registry" : name_,
                        origin_, !words.empty() ? words : "wrong user or password"),
            reply.status);
    }
    throw RegistryError(fmt::format("{} {}: the registry answered {}{}{}", what, reply.url,
                                    reply.status, words.empty() ? "" : ": ", words),
                        reply.status);
}

/// One request, and a line about it for who listens. What stands behind "?" is left out: it may be
/// a key.
HttpReply RegistryClient::tell(const HttpCall& call) {
    const auto begin = std::chrono::steady_clock::now();
    const auto say = [&](const std::string& what) {
        if (explain_) {
            const std::chrono::duration<double, std::milli> took =
                std::chrono::steady_clock::now() - begin;
            explain_(fmt::format("{} {} -> {} ({}), {:.1f} ms", call.method,
                                 call.url.substr(0, call.url.find('?')), what, why_, took.count()));
        }
    };
    try {
        HttpReply reply = client_.call(call);
        say(reply.url == call.url ? fmt::to_string(reply.status)
                                  : fmt::format("{} from {}", reply.status, origin_of(reply.url)));
        return reply;
    } catch (const HttpUnreachable& error) {
        say(error.what());
        throw;
    }
}

/// The first of the registry's origins that answers is its origin from then on.
HttpReply RegistryClient::call_somewhere(const HttpCall& call) {
    if (origin_answers_) {
        return tell(call);
    }
    for (std::size_t i = 0;; ++i) {
        HttpCall there = call;
        there.url.replace(0, origin_.size(), access_.origins[i]);
        try {
            HttpReply reply = tell(there);
            // A server that speaks TLS says so with a 400 to who does not.
            const bool wrong =
                reply.status == 400 && i + 1 < access_.origins.size() &&
                find_header(reply.headers, "Docker-Distribution-API-Version") == nullptr;
            if (!wrong) {
                origin_ = access_.origins[i];
                origin_answers_ = true;
                return reply;
            }
        } catch (const HttpUnreachable& error) {
            // Where nobody listens, nobody listens for the other scheme either, unless that has
            // another port.
            const bool nobody = error.kind() == HttpUnreachable::Kind::NoConnection &&
                                reference_.domain.find(':') != std::string::npos;
            if (nobody || i + 1 == access_.origins.size()) {
                throw;
            }
        }
    }
}

// [region: authorised-call]
HttpReply RegistryClient::call_once(HttpCall call) {
    const HttpHeaders own = call.headers;
    for (bool again = false;; again = true) {
        call.headers = own;
        if (!authorization_.empty() && origin_of(call.url) == origin_of(origin_)) {
            call.headers.push_back({.name = "Authorization", .value = authorization_});
        }
        HttpReply reply = call_somewhere(call);
        // Only what the registry itself asks for is answered; another origin gets nothing.
        if (reply.status != 401 || again || origin_of(reply.url) != origin_of(origin_) ||
            !authorise(reply)) {
            return reply;
        }
        call.url.replace(0, call.url.find('/', call.url.find("://") + 3), origin_);
    }
}
// [/region]

// [region: back-off]
void RegistryClient::pause(int attempt, const HttpReply* reply) {
    thread_local std::minstd_rand random{std::random_device{}()};
    const auto whole = std::min(retry_.longest, retry_.first * (1 << std::min(attempt, 10)));
    std::uniform_int_distribution<std::int64_t> between(whole.count() / 2, whole.count());
    std::chrono::milliseconds length(between(random));
    const std::string* after =
        reply != nullptr ? find_header(reply->headers, "Retry-After") : nullptr;
    if (after != nullptr) {
        unsigned seconds = 0;
        const auto [end, error] =
            std::from_chars(after->data(), after->data() + after->size(), seconds);
        if (error == std::errc{}) {
            // One that sends us away for longer gets its answer to the user.
            length = std::min<std::chrono::milliseconds>(std::chrono::seconds(seconds),
                                                         std::chrono::minutes(2));
        }
    }
    const auto until = std::chrono::steady_clock::now() + length;
    while (std::chrono::steady_clock::now() < until) {
        if (tick_) {
            tick_();
        }
        std::this_thread::sleep_until(
            std::min(until, std::chrono::steady_clock::now() + std::chrono::milliseconds(100)));
    }
}
// [/region]

HttpReply RegistryClient::call(HttpCall call, const std::string& why) {
    why_ = why;
    call.tick = tick_;
    call.trust = access_.trust;
    // What changes something is not done twice, unless the registry says that it did nothing.
    const bool harmless = call.method == "GET" || call.method == "HEAD";
    for (int attempt = 0;; ++attempt) {
        const bool last = attempt + 1 >= retry_.attempts;
        try {
            HttpReply reply = call_once(call);
            const bool busy =
                reply.status == 429 || (harmless && reply.status >= 500 && reply.status != 501);
            if (!busy || last) {
                return reply;
            }
            pause(attempt, &reply);
        } catch (const HttpUnreachable& error) {
            const bool cut = error.kind() == HttpUnreachable::Kind::Cut;
            if (!cut || !harmless || call.sink || last) {
                throw RegistryError(error.what(), 0);
            }
            pause(attempt, nullptr);
        }
    }
}

RegistryClient::Document RegistryClient::manifest(const std::string& tag_or_digest,
                                                  const std::string& why) {
    const std::string accept =
        fmt::format("{}, {}, {}, {}", media_type::kOciIndex, media_type::kDockerList,
                    media_type::kOciManifest, media_type::kDockerManifest);
    const HttpReply reply = call({.url = url("manifests", tag_or_digest),
                                  .headers = {{.name = "Accept", .value = accept}},
                                  .body_limit = kMaxManifestSize},
                                 why);
    if (reply.status == 404) {
        throw RegistryError(
            fmt::format("manifest for {} not found: manifest unknown", familiar(reference_)), 404);
    }
    if (reply.status != 200) {
        fail(reply, "GET");
    }
    const std::string* type = find_header(reply.headers, "Content-Type");
    Document document{.text = reply.body,
                      .media_type = type == nullptr ? "" : type->substr(0, type->find(';')),
                      .digest = digest_of(reply.body)};
    const bool by_digest = tag_or_digest.find(':') != std::string::npos;
    if (by_digest && document.digest.text() != tag_or_digest) {
        throw RegistryError(fmt::format("{}: expected manifest {}, got {}", origin_, tag_or_digest,
                                        document.digest.text()),
                            reply.status);
    }
    return document;
}

bool RegistryClient::has_manifest(const std::string& tag_or_digest) {
    const HttpReply reply = call({.method = "HEAD", .url = url("manifests", tag_or_digest)},
                                 "is the manifest there already?");
    if (reply.status != 200 && reply.status != 404) {
        fail(reply, "HEAD");
    }
    return reply.status == 200;
}

std::string RegistryClient::put_manifest(const std::string& tag_or_digest,
                                         std::string_view media_type, const std::string& text) {
    const HttpReply reply =
        call({.method = "PUT",
              .url = url("manifests", tag_or_digest),
              .headers = {{.name = "Content-Type", .value = std::string(media_type)}},
              .body = text},
             "manifest, now that its blobs are there");
    if (reply.status != 201) {
        fail(reply, "PUT");
    }
    const std::string* subject = find_header(reply.headers, "OCI-Subject");
    return subject == nullptr ? "" : *subject;
}

}  // namespace drydock
