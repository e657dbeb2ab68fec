#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "04-layers/content_store.hpp"
#include "05-images/descriptor.hpp"
#include "05-images/reference.hpp"
#include "06-registry/auth.hpp"

#include "repositories.hpp"
#include "sweep_gate.hpp"

namespace drydock {

/// What a pull-through mirror asks another registry for: what is asked for here and is not here. It
/// goes into the store first, digest and size checked, and is served from there like everything
/// else. From any number of threads; however many ask for a blob, it is fetched once.
class Mirror {
  public:
    /// @param upstream "docker.io", "registry.example:5000", also with https:// or http:// in front
    /// @param size bytes of blobs that are kept; what was not asked for the longest goes first
    /// @throws InputError
    Mirror(const std::string& upstream, std::uint64_t size, const ContentStore& store,
           Repositories& repositories, SweepGate& gate);

    /// Afterwards the manifest is here, if upstream has it. A tag is looked up there each time;
    /// when upstream cannot be reached, it is what it was the last time.
    /// @throws HttpError 502 when upstream fails and there is nothing to fall back to
    void bring_manifest(const std::string& name, const std::string& reference);
    /// The same for a blob that a manifest names which is here already. @pre the caller holds it
    void bring_blob(const std::string& name, const Digest& digest);
    /// Removes blobs until the size is kept. What somebody reads at this moment can be read on.
    void keep_size();

  private:
    [[nodiscard]] Reference upstream(const std::string& name) const;
    [[nodiscard]] std::optional<oci::Descriptor> named_in(const std::string& name,
                                                          const Digest& digest) const;
    void fetch(const std::string& name, const oci::Descriptor& blob);
    std::shared_ptr<std::mutex> turn_for(const Digest& digest);

    std::string domain_;
    std::uint64_t size_;
    const ContentStore* store_;
    Repositories* repositories_;
    SweepGate* gate_;
    Credentials credentials_{};
    std::mutex mutex_{};
    std::map<Digest, std::weak_ptr<std::mutex>> turns_{};
};

}  // namespace drydock
