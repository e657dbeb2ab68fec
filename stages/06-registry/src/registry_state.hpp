#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "06-registry/auth.hpp"
#include "06-registry/registry.hpp"

#include "registry_route.hpp"
#include "repositories.hpp"
#include "uploads.hpp"

namespace drydock {

struct Registry::State {
    explicit State(const RegistryOptions& options);

    UniqueFd root_lock;  ///< on ROOT/registry.lock: one server a directory
    ContentStore store;
    Repositories repositories;
    Uploads uploads;
    bool read_only = false;
    std::optional<HtpasswdFile> users{};

    void authorise(const HttpRequest& request);
    /// @throws HttpError 405 when the registry takes nothing and the method is not GET
    void expect_writable(std::string_view method) const;

    // registry_blobs.cpp
    void get_blob(HttpExchange& exchange, const Route& route);
    void delete_blob(HttpExchange& exchange, const Route& route);
    void start_upload(HttpExchange& exchange, const Route& route);
    void upload_status(HttpExchange& exchange, const Route& route);
    void append_upload(HttpExchange& exchange, const Route& route);
    void finish_upload(HttpExchange& exchange, const Route& route);
    void cancel_upload(HttpExchange& exchange, const Route& route);

    // registry_referrers.cpp
    void list_referrers(HttpExchange& exchange, const Route& route);

    // registry_manifests.cpp
    void get_manifest(HttpExchange& exchange, const Route& route);
    void put_manifest(HttpExchange& exchange, const Route& route);
    void delete_manifest(HttpExchange& exchange, const Route& route);
    void list_tags(HttpExchange& exchange, const Route& route);
    void list_catalog(HttpExchange& exchange, const Route& route);
    void version(HttpExchange& exchange, const Route& route);

  private:
    [[nodiscard]] Digest visible_blob(const Route& route) const;
    [[nodiscard]] bool mount_blob(HttpExchange& exchange, const Route& route);
    void receive(HttpExchange& exchange, Upload& upload) const;
    Digest commit(HttpExchange& exchange, const Route& route, Upload& upload);
    [[nodiscard]] std::set<Digest> referrers_by_tag(const std::string& name,
                                                    const Digest& subject) const;
    [[nodiscard]] nlohmann::json referrer_entry(const std::string& name, const Digest& digest,
                                                const std::optional<std::string>& wanted) const;
    void expect_contents(const std::string& name, const std::string& text,
                         const std::string& type) const;
};

/// The manifest that a manifest says it is about; nothing when it says none.
/// @throws HttpError 400 MANIFEST_INVALID
std::optional<Digest> subject_of(const std::string& manifest);

/// @throws HttpError 400 DIGEST_INVALID
Digest digest_from_request(std::string_view text);

}  // namespace drydock
