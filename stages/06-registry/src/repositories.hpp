#pragma once

#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "04-layers/digest.hpp"

#include "shared_gate.hpp"

namespace drydock {

/// Which repository has which blobs, manifests and tags: small files below one directory, to be
/// read with cat.
///
///     NAME/_blobs/HEX                  empty: the blob may be had from here
///     NAME/_manifests/revisions/HEX    holds the media type
///     NAME/_manifests/tags/TAG         holds the digest
///     NAME/_referrers/HEX/HEX2         empty: manifest HEX2 has manifest HEX as its subject
///
/// Names and tags are checked (is_repository_name, is_tag) before they come here. Whatever a
/// function that changes something did is on disk when it returns. From any number of threads.
class Repositories {
  public:
    explicit Repositories(std::filesystem::path directory);

    [[nodiscard]] bool contains(const std::string& name) const;
    /// A repository from which the blob may be had and that `fits`; nothing when there is none.
    [[nodiscard]] std::optional<std::string> repository_with(
        const Digest& digest, const std::function<bool(const std::string& name)>& fits) const;
    /// Every repository that has anything, sorted.
    [[nodiscard]] std::vector<std::string> all() const;
    /// The blobs that may be had from it.
    [[nodiscard]] std::vector<Digest> blob_links(const std::string& name) const;
    /// The manifests that it has.
    [[nodiscard]] std::vector<Digest> manifests(const std::string& name) const;
    /// Every repository that had a manifest pushed to it, sorted.
    [[nodiscard]] std::vector<std::string> names() const;

    [[nodiscard]] bool has_blob(const std::string& name, const Digest& digest) const;
    void add_blob(const std::string& name, const Digest& digest);
    /// @return false when it was not there
    bool remove_blob(const std::string& name, const Digest& digest);

    /// The media type of the manifest; nothing when the repository has none of that digest.
    [[nodiscard]] std::optional<std::string> manifest_type(const std::string& name,
                                                           const Digest& digest) const;
    void add_manifest(const std::string& name, const Digest& digest, const std::string& media_type);
    /// Removes it with the tags that point to it. @return false when it was not there
    bool remove_manifest(const std::string& name, const Digest& digest);

    [[nodiscard]] std::optional<Digest> tag(const std::string& name, const std::string& tag) const;
    /// Sorted.
    [[nodiscard]] std::vector<std::string> tags(const std::string& name) const;
    void set_tag(const std::string& name, const std::string& tag, const Digest& digest);
    /// @return false when it was not there
    bool remove_tag(const std::string& name, const std::string& tag);

    /// The manifests whose subject it is; those that were removed since are left out.
    [[nodiscard]] std::set<Digest> referrers(const std::string& name, const Digest& subject) const;
    /// Removes what is noted of referrers that are gone. @pre nobody adds one meanwhile
    void forget_stale_referrers(const std::string& name);
    void add_referrer(const std::string& name, const Digest& subject, const Digest& manifest);

  private:
    [[nodiscard]] std::filesystem::path blobs(const std::string& name) const;
    [[nodiscard]] std::filesystem::path revisions(const std::string& name) const;
    [[nodiscard]] std::filesystem::path tag_directory(const std::string& name) const;
    [[nodiscard]] std::filesystem::path referrer_directory(const std::string& name,
                                                           const Digest& subject) const;
    void walk(
        const std::function<bool(const std::string& name, const std::string& part)>& visit) const;
    void write(const std::filesystem::path& directory, const std::string& file,
               std::string_view text);

    std::filesystem::path directory_;
    SharedGate changes_{};  ///< files are replaced side by side, removed alone
    std::mutex making_{};   ///< of directories
};

}  // namespace drydock
