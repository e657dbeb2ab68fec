#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "04-layers/content_store.hpp"
#include "05-images/descriptor.hpp"
#include "05-images/reference.hpp"
#include "06-registry/auth.hpp"
#include "06-registry/http_client.hpp"
#include "06-registry/progress.hpp"

#include "registry_access.hpp"

namespace drydock {

/// A manifest that says of another one that it is about it: a signature, a list of contents.
struct Referrer {
    oci::Descriptor manifest{};
    std::string artifact_type{};
};

/// How often, and after what pauses, a request that met a cut, a 5xx or a 429 is made again. The
/// pause doubles each time and is drawn between half of it and all of it, so that clients which
/// were cut together do not come back together; "Retry-After" of a registry goes before.
struct RetryPolicy {
    int attempts = 5;  ///< in a row without a byte more
    std::chrono::milliseconds first{250};
    std::chrono::milliseconds longest{20'000};
};

/// One repository of one registry, and what it takes to be let in.
class RegistryClient {
  public:
    /// @param action "pull" or "push,pull": what a token is asked for
    RegistryClient(const Reference& reference, Credentials credentials, std::string action);

    struct Document {
        std::string text{};
        std::string media_type{};
        Digest digest{};  ///< of `text`
    };
    /// The manifest or index of that tag or digest; by digest it is verified.
    /// @throws RegistryError, InputError
    Document manifest(const std::string& tag_or_digest);
    /// Streams the blob into `store`, digest and size checked. A transfer that is cut goes on from
    /// its last byte, with the digest so far kept.
    /// @param progressed gets the bytes so far
    void fetch_blob(const ContentStore& store, const oci::Descriptor& blob,
                    const std::function<void(std::uint64_t)>& progressed);

    bool has_blob(const Digest& digest);
    void send_blob(const ContentStore& store, const oci::Descriptor& blob,
                   const std::function<void(std::uint64_t)>& progressed);
    void put_manifest(const std::string& tag_or_digest, std::string_view media_type,
                      const std::string& text);

    /// As HttpCall::tick, for every call from here on.
    void on_tick(std::function<void()> tick) { tick_ = std::move(tick); }
    [[nodiscard]] const std::string& origin() const noexcept { return origin_; }

    void retry(const RetryPolicy& policy) { retry_ = policy; }
    /// The descriptors that refer to `digest`: of the referrers API, or, where a registry has none,
    /// of the tag "sha256-HEX".
    std::vector<Referrer> referrers(const Digest& digest, const std::string& artifact_type);
    /// Takes a blob over from another repository of this registry.
    /// @return false when it has to be sent
    bool mount_blob(const Digest& digest, const std::string& from);

  private:
    HttpReply call(HttpCall call);
    HttpReply call_once(HttpCall call);
    HttpReply call_somewhere(const HttpCall& call);
    void pause(int attempt, const HttpReply* reply);
    void go_on(Ingest& ingest, const oci::Descriptor& blob,
               const std::function<void(std::uint64_t)>& progressed);
    bool authorise(const HttpReply& refusal);
    void fetch_token(const Challenge& challenge);
    [[nodiscard]] std::string url(std::string_view kind, std::string_view tail) const;
    [[noreturn]] void fail(const HttpReply& reply, std::string_view what) const;

    RegistryAccess access_;
    std::string origin_;
    bool origin_answers_ = false;  ///< it is the right one of access_.origins
    RetryPolicy retry_{};
    std::string name_;
    Reference reference_;
    Credentials credentials_;
    std::string action_;
    std::string authorization_{};
    std::function<void()> tick_{};
    HttpClient client_{};
};

}  // namespace drydock
