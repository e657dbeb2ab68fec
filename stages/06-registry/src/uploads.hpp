#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "04-layers/content_store.hpp"
#include "06-registry/registry_garbage.hpp"

namespace drydock {

/// One upload: what came so far, hashed as it came.
struct Upload {
    Upload(std::string owner, Ingest begun)
        : repository(std::move(owner)), ingest(std::move(begun)) {}
    /// Its bytes stay for who goes on with it later, unless it ended.
    ~Upload() {
        if (!ended) {
            ingest.keep();
        }
    }
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;
    Upload(Upload&&) = delete;
    Upload& operator=(Upload&&) = delete;

    std::string repository{};
    Ingest ingest;
    std::mutex writing{};  ///< held by the one request that may write
    std::chrono::steady_clock::time_point touched{};
    bool ended = false;  ///< committed, failed or cancelled while somebody else waited
};

/// The uploads under way, by ID: 122 random bits, so that nobody guesses another's. One ends when
/// its blob is committed, or it is cancelled, or forgotten because it got nothing for too long. It
/// outlives the server: its bytes are TMP/upload-ID, and DIRECTORY/ID holds the name of its
/// repository.
class Uploads {
  public:
    /// Removes whatever in the store's tmp/ belongs to no upload, and the other way round.
    Uploads(const ContentStore& store, std::filesystem::path directory);

    /// @return its ID @throws HttpError 429 when too many are under way
    std::string begin(const std::string& repository);
    /// @throws HttpError 404 BLOB_UPLOAD_UNKNOWN when there is none of that ID in that repository
    std::shared_ptr<Upload> find(const std::string& repository, const std::string& id);
    /// Its bytes are discarded when the last user lets go.
    void end(const std::string& id);

    /// Forgets those that got no byte for so long and that nobody asks for right now.
    void forget_stale(std::chrono::seconds age, RegistryGarbage& garbage);

  private:
    void let_rest();
    std::shared_ptr<Upload> reopen(const std::string& repository, const std::string& id);

    const ContentStore* store_;
    std::filesystem::path directory_;
    std::mutex mutex_{};
    std::map<std::string, std::shared_ptr<Upload>> uploads_{};
};

}  // namespace drydock
