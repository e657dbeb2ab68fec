#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "04-layers/content_store.hpp"
#include "05-images/descriptor.hpp"
#include "05-images/reference.hpp"
#include "06-registry/auth.hpp"
#include "06-registry/http_client.hpp"
#include "06-registry/progress.hpp"

namespace drydock {

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
    /// Streams the blob into `store`, digest and size checked.
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

  private:
    HttpReply call(HttpCall call);
    bool authorise(const HttpReply& refusal);
    void fetch_token(const Challenge& challenge);
    [[nodiscard]] std::string url(std::string_view kind, std::string_view tail) const;
    [[noreturn]] void fail(const HttpReply& reply, std::string_view what) const;

    std::string origin_;
    std::string name_;
    Reference reference_;
    Credentials credentials_;
    std::string action_;
    std::string authorization_{};
    std::function<void()> tick_{};
    HttpClient client_{};
};

/// "https://registry-1.docker.io", "http://127.0.0.1:5000": only loopback is spoken to without TLS.
std::string registry_origin(const std::string& domain);

}  // namespace drydock
