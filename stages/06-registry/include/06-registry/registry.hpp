#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "06-registry/http.hpp"
#include "06-registry/registry_garbage.hpp"
#include "06-registry/token_options.hpp"

namespace drydock {

struct RegistryOptions {
    /// Becomes an OCI image layout for the blobs, with the names in `repositories/` beside it.
    std::filesystem::path root{};
    std::filesystem::path htpasswd{};  ///< who may use it (HtpasswdFile); empty: anybody
    /// What each of them may do with which repositories (AccessRules); empty: everything.
    std::filesystem::path access{};
    TokenOptions tokens{};
    /// HOST[:PORT] of a registry whose contents are had from here too; nothing is pushed here then.
    std::string mirror_of{};
    std::uint64_t mirror_size = std::uint64_t{10} << 30U;  ///< bytes that are kept of it
    std::vector<std::string> faults{};  ///< what it does wrong on purpose (parse_fault)
    bool encrypted = false;             ///< clients reach it by https
    bool read_only = false;             ///< nothing can be pushed or deleted
};

/// A registry: what HttpServer calls for every request below /v2/. An answered upload or manifest
/// is on disk, also after a power cut; a blob can be had from a repository only after it was pushed
/// to, or mounted into, that one.
/// @see OCI distribution-spec 1.1
class Registry {
  public:
    /// Takes `root` for itself. Uploads that an earlier server did not finish can be gone on with
    /// until collect() forgets them.
    /// @throws InputError when another server uses `root`, or the htpasswd file is not as it should
    /// be
    explicit Registry(const RegistryOptions& options);
    ~Registry();
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;
    Registry(Registry&&) = delete;
    Registry& operator=(Registry&&) = delete;

    /// Ends who may not come in, for what is not below /v2/.
    /// @throws HttpError 401
    void authorise(const HttpRequest& request);
    /// Removes what no manifest needs, also while requests are answered: nothing that a push sent
    /// or asked for within the time of grace goes. What is deleted loses its space here.
    /// @throws std::system_error; what was removed until then is gone
    RegistryGarbage collect(const RegistryGarbageOptions& options);
    /// Answers one request; from any number of threads at once.
    void handle(HttpExchange& exchange);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace drydock
