#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "04-layers/content_store.hpp"
#include "04-layers/snapshotter.hpp"
#include "05-images/descriptor.hpp"
#include "05-images/image_config.hpp"
#include "05-images/manifest.hpp"
#include "05-images/reference.hpp"

namespace drydock {

/// An image as the store knows it.
struct Image {
    Digest id{};                 ///< of the configuration
    oci::Descriptor manifest{};  ///< of its manifest, which is what a registry calls its digest
    std::vector<Reference> references{};  ///< the names it has, sorted; none: dangling
    std::uint64_t size = 0;  ///< bytes of its configuration and layers as they are stored
};

/// What remove() and untag() did, in docker's words and order.
struct Removal {
    std::vector<std::string> untagged{};  ///< familiar names
    std::vector<Digest> deleted{};        ///< image ID, then blobs nobody needs any more
};

/// Images on disk: blobs in an OCI image layout, names in its index.json (skopeo and umoci read
/// both as they lie), unpacked layers beside it. Any number of threads and of processes may use one
/// data root, each with a store object of its own or a shared one: changes of index.json are made
/// under a file lock, and it is replaced whole.
///
/// The annotation org.opencontainers.image.ref.name holds the whole normalised reference; an entry
/// without it is a dangling image.
class ImageStore {
  public:
    /// Opens, and makes if it is not there, the store below `data_root`.
    explicit ImageStore(const std::filesystem::path& data_root);

    [[nodiscard]] const std::filesystem::path& data_root() const noexcept { return data_root_; }
    [[nodiscard]] ContentStore& content() noexcept { return content_; }
    [[nodiscard]] const ContentStore& content() const noexcept { return content_; }
    [[nodiscard]] Snapshotter& snapshots() noexcept { return snapshots_; }
    [[nodiscard]] const Snapshotter& snapshots() const noexcept { return snapshots_; }

    /// The image called `name`: "sha256:<id>", a reference, or a prefix of an ID (hex digits).
    /// @throws InputError when a prefix fits several images
    [[nodiscard]] std::optional<Image> find(std::string_view name) const;
    [[nodiscard]] std::optional<Image> find(const Reference& reference) const;
    /// The same. @throws InputError "No such image: x:latest"
    [[nodiscard]] Image get(std::string_view name) const;
    /// All of them, one entry an image ID, the newest first.
    [[nodiscard]] std::vector<Image> list() const;

    [[nodiscard]] oci::Manifest manifest(const Image& image) const;
    [[nodiscard]] oci::ImageConfig config(const Image& image) const;
    /// The bytes of the image's manifest, and of its configuration, as they are stored.
    [[nodiscard]] std::string manifest_text(const Image& image) const;
    [[nodiscard]] std::string config_text(const Image& image) const;

    /// Adds the image whose manifest has these bytes, under `name` if there is one; an image that
    /// had the name before keeps existing without it. Its blobs must be in content() already.
    /// @throws InputError when the manifest is ambiguous or one of its blobs is missing or of
    /// another size
    Image put_manifest(std::string_view text, std::string_view type,
                       const std::optional<Reference>& name);
    /// The same for a new image: writes the configuration and an OCI manifest over `layers`.
    Image put_image(const oci::ImageConfig& config, const std::vector<oci::Descriptor>& layers,
                    const std::optional<Reference>& name);

    /// Gives `image` one more name.
    void tag(const Image& image, const Reference& name);
    /// Takes the name away; the image stays, as a dangling one when it was its last.
    /// @throws InputError "No such image: x"
    void untag(const Reference& name);

    /// Removes the image with all its names, and the blobs and unpacked layers that no other image
    /// needs.
    /// @param in_use says of an image ID that it must stay (a container uses it): its blobs and
    /// layers are kept
    Removal remove(const Image& image, const std::function<bool(const Digest&)>& in_use = {});
    /// docker's rmi: a name is taken away, and the image removed when it was the last; an ID with
    /// at most one name removes the image.
    /// @throws InputError when there is no such image, or an ID has several names and `force` is
    /// false
    Removal remove_by_name(std::string_view name, bool force,
                           const std::function<bool(const Digest&)>& in_use = {});

    /// Every layer of the image unpacked, each at most once per store.
    /// @return the ChainIDs, the lowest first: what Snapshotter::prepare wants
    /// @throws InputError when a layer's bytes do not give the DiffID its configuration names
    std::vector<Digest> unpack(const Image& image);
    /// The same for layers that are no image yet. @param name of them, for errors
    std::vector<Digest> unpack(const std::vector<oci::Descriptor>& layers,
                               const std::vector<Digest>& diff_ids, std::string_view name);

  private:
    struct Entry;
    class Lock;

    [[nodiscard]] std::vector<Entry> read_index() const;
    void write_index(const std::vector<Entry>& entries);
    [[nodiscard]] std::vector<Image> images_of(const std::vector<Entry>& entries) const;
    void add_name(const oci::Descriptor& manifest, const std::optional<Reference>& name);
    std::vector<Digest> remove_unneeded(const Image& removed, const std::vector<Entry>& left);

    std::filesystem::path data_root_;
    UniqueFd root_;
    ContentStore content_;
    Snapshotter snapshots_;
};

}  // namespace drydock
