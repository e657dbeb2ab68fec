#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "04-layers/content_store.hpp"

namespace drydock {

/// One upload: what came so far, hashed as it came.
struct Upload {
    std::string repository{};
    Ingest ingest;
    std::mutex writing{};  ///< held by the one request that may write
    std::chrono::steady_clock::time_point touched{};
    bool ended = false;  ///< committed, failed or cancelled while somebody else waited
};

/// The uploads under way, by ID: 128 random bits, so that nobody guesses another's. One ends when
/// its blob is committed, it is cancelled, it rested for an hour, or the server ends.
class Uploads {
  public:
    explicit Uploads(const ContentStore& store) : store_(&store) {}

    /// @return its ID @throws HttpError 429 when too many are under way
    std::string begin(const std::string& repository);
    /// @throws HttpError 404 BLOB_UPLOAD_UNKNOWN when there is none of that ID in that repository
    std::shared_ptr<Upload> find(const std::string& repository, const std::string& id);
    /// Its bytes are discarded when the last user lets go.
    void end(const std::string& id);

  private:
    void purge();

    const ContentStore* store_;
    std::mutex mutex_{};
    std::map<std::string, std::shared_ptr<Upload>> uploads_{};
};

}  // namespace drydock
