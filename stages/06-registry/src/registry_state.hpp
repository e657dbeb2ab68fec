#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "05-images/descriptor.hpp"
#include "06-registry/registry.hpp"

#include "access_control.hpp"
#include "faults.hpp"
#include "mirror.hpp"
#include "registry_route.hpp"
#include "repositories.hpp"
#include "sweep_gate.hpp"
#include "uploads.hpp"

namespace drydock {

struct Registry::State {
    explicit State(const RegistryOptions& options);

    UniqueFd root_lock;  ///< on ROOT/registry.lock: one server a directory
    ContentStore store;
    Repositories repositories;
    Uploads uploads;
    bool read_only = false;
    AccessControl access;
    Faults faults;
    SweepGate gate{};
    std::optional<Mirror> mirror{};
    std::mutex collecting{};

    /// @throws HttpError 405 when the registry takes nothing and the method is not GET
    void expect_writable(std::string_view method) const;

    // registry_garbage.cpp
    RegistryGarbage collect(const RegistryGarbageOptions& options);

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
    [[nodiscard]] Digest visible_blob(HttpExchange& exchange, const Route& route);
    [[nodiscard]] bool mount_blob(HttpExchange& exchange, const Route& route);
    /// Keeps a blob from the collector for its time of grace: the blob's own modification time says
    /// when a push last sent it or asked for it. @return false when it is not there
    [[nodiscard]] bool lease(const Digest& digest) const;
    [[nodiscard]] std::unordered_set<Digest> needed_by(const std::string& name) const;
    [[nodiscard]] std::unordered_set<Digest> needed_by_index() const;
    void sweep_repository(const std::string& name, std::int64_t cutoff,
                          std::unordered_set<Digest>& live, RegistryGarbage& garbage);
    void sweep_store(std::int64_t cutoff, const std::unordered_set<Digest>& live,
                     RegistryGarbage& garbage);
    std::optional<Digest> store_manifest(const Route& route, const std::string& text,
                                         const std::string& type, const Digest& digest);
    void receive(HttpExchange& exchange, Upload& upload) const;
    Digest commit(HttpExchange& exchange, const Route& route, Upload& upload);
    [[nodiscard]] std::set<Digest> referrers_by_tag(const std::string& name,
                                                    const Digest& subject) const;
    [[nodiscard]] nlohmann::json referrer_entry(const std::string& name, const Digest& digest,
                                                const std::optional<std::string>& wanted) const;
    void expect_contents(const std::string& name, const std::string& text,
                         const std::string& type) const;
};

/// What a manifest or index names: layers and configuration, or manifests.
/// @throws InputError
std::vector<oci::Descriptor> contents_of(const std::string& text, const std::string& type,
                                         const std::string& name);

/// The manifest that a manifest says it is about; nothing when it says none.
/// @throws HttpError 400 MANIFEST_INVALID
std::optional<Digest> subject_of(const std::string& manifest);

/// @throws HttpError 400 DIGEST_INVALID
Digest digest_from_request(std::string_view text);

}  // namespace drydock
