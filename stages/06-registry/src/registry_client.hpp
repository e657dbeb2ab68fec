#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "04-layers/content_store.hpp"
#include "05-images/descriptor.hpp"
#include "05-images/reference.hpp"
#include "06-registry/auth.hpp"
#include "06-registry/http_client.hpp"
#include "06-registry/progress.hpp"
#include "06-registry/search.hpp"

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

/// Blobs of this size and more are sent in parts of it, so that a cut costs one part at most.
inline constexpr std::uint64_t kUploadPart = std::uint64_t{32} << 20U;

/// One repository of one registry, and what it takes to be let in. For one thread.
class RegistryClient {
  public:
    /// @param action "pull" or "push,pull": what a token is asked for; "": for what the registry
    /// names
    RegistryClient(const Reference& reference, Credentials credentials, std::string action);
    /// One for another thread, that is let in already.
    [[nodiscard]] RegistryClient another() const;

    struct Document {
        std::string text{};
        std::string media_type{};
        Digest digest{};  ///< of `text`
    };
    /// The manifest or index of that tag or digest; by digest it is verified.
    /// @param why for explain()
    /// @throws RegistryError, InputError
    Document manifest(const std::string& tag_or_digest, const std::string& why = "manifest");
    /// Streams the blob into `ingest`, which may hold its beginning already. A transfer that is cut
    /// goes on from its last byte, with the digest so far kept. Nothing is checked yet: commit()
    /// it.
    /// @param progressed gets the bytes so far
    void fetch_blob(Ingest& ingest, const oci::Descriptor& blob, const std::string& why,
                    const std::function<void(std::uint64_t)>& progressed);
    /// The same into `sink`, which gets each byte once, also after a cut.
    void read_blob(const oci::Descriptor& blob, const std::string& why,
                   const std::function<void(std::string_view)>& sink);

    bool has_blob(const Digest& digest, const std::string& why);
    /// Sends the blob; what is cut, and what a busy registry does not take, is sent again.
    void send_blob(const ContentStore& store, const oci::Descriptor& blob,
                   const std::function<void(std::uint64_t)>& progressed);
    /// Sends `blob.size` bytes in one piece as they come from `source` (HttpCall::source).
    void send_blob(const oci::Descriptor& blob,
                   const std::function<std::size_t(std::span<char>)>& source);
    /// @return the value of OCI-Subject: the registry keeps the list of referrers itself
    std::string put_manifest(const std::string& tag_or_digest, std::string_view media_type,
                             const std::string& text);

    /// As HttpCall::tick, for every call from here on.
    void on_tick(std::function<void()> tick) { tick_ = std::move(tick); }
    /// TransferOptions::explain.
    void explain(std::function<void(const std::string&)> listener) {
        explain_ = std::move(listener);
    }
    [[nodiscard]] const std::string& origin() const noexcept { return origin_; }
    /// Whether the manifest is there under that tag or digest.
    bool has_manifest(const std::string& tag_or_digest);

    void retry(const RetryPolicy& policy) { retry_ = policy; }
    /// Asks for these things too where tokens are given: "repository:other:pull".
    void also(std::string scope) { scopes_.push_back(std::move(scope)); }
    /// The descriptors that refer to `digest`: of the referrers API, or, where a registry has none,
    /// of the tag "sha256-HEX".
    std::vector<Referrer> referrers(const Digest& digest, const std::string& artifact_type);
    /// Takes a blob over from another repository of this registry.
    /// @return false when it has to be sent
    bool mount_blob(const Digest& digest, const std::string& from);
    /// Tags of the repository, all of them.
    std::vector<std::string> tags();
    /// Repositories of the registry, `limit` at most.
    std::vector<std::string> catalog(std::size_t limit);
    /// Asks the registry's own search. @return false when it has none
    bool search(const std::string& term, std::size_t limit, std::vector<FoundRepository>& found);
    /// Asks whether we may come in at all (GET /v2/).
    /// @return an identity token, when the registry's token server gives one for a password
    /// @throws RegistryError 401 when we may not
    std::string check_login();

  private:
    HttpReply call(HttpCall call, const std::string& why);
    HttpReply call_once(HttpCall call);
    HttpReply call_somewhere(const HttpCall& call);
    HttpReply tell(const HttpCall& call);
    void pause(int attempt, const HttpReply* reply);
    void go_on(std::uint64_t begin, const oci::Descriptor& blob, const std::string& why,
               const std::function<void(std::string_view)>& sink);
    void fetch(const oci::Descriptor& blob, const std::string& why,
               const std::function<std::uint64_t()>& here,
               const std::function<void(std::string_view)>& sink);
    std::string begin_upload();
    void finish_upload(HttpCall put, const std::string& target, const Digest& digest);
    void send_whole(int fd, const oci::Descriptor& blob,
                    const std::function<void(std::uint64_t)>& progressed);
    void send_parts(int fd, const oci::Descriptor& blob,
                    const std::function<void(std::uint64_t)>& progressed);
    HttpReply send_part(int fd, const std::string& target, std::uint64_t begin, std::uint64_t end,
                        const std::function<void(std::uint64_t)>& progressed);
    std::uint64_t ask_offset(std::string& target);
    std::vector<std::string> list_pages(std::string url, const char* member, std::size_t limit,
                                        const std::string& why);
    bool authorise(const HttpReply& refusal);
    void fetch_token(const Challenge& challenge);
    HttpCall token_call(const Challenge& challenge) const;
    [[nodiscard]] std::string scope_query(const Challenge& challenge) const;
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
    std::vector<std::string> scopes_{};
    std::string authorization_{};
    std::string identity_token_{};  ///< that a token server gave
    bool wants_identity_token_ = false;
    std::function<void()> tick_{};
    std::function<void(const std::string&)> explain_{};
    std::string why_{};
    HttpClient client_{};
};

}  // namespace drydock
