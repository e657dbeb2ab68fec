#include "05-images/archive.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/chain_id.hpp"
#include "04-layers/tar_reader.hpp"
#include "05-images/image_garbage.hpp"
#include "05-images/strict_json.hpp"

#include "archive_layout.hpp"

namespace drydock {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxPath = 1024;
constexpr std::size_t kMaxEntries = 100'000;

/// A file of the archive: its bytes are a blob of the store by now.
struct StoredFile {
    Digest digest{};
    std::uint64_t size = 0;
};

struct ArchiveFiles {
    std::string name{};  ///< of the archive, for errors
    std::map<std::string, StoredFile> blobs{};
    std::map<std::string, std::string> links{};
    std::map<std::string, std::string> documents{};

    [[noreturn]] void refuse(std::string_view what) const {
        throw InputError(fmt::format("{}: {}", name, what));
    }

    [[nodiscard]] const StoredFile& file(std::string path) const {
        for (int links_left = 8; links_left > 0; --links_left) {
            if (const auto found = blobs.find(path); found != blobs.end()) {
                return found->second;
            }
            const auto link = links.find(path);
            if (link == links.end()) {
                break;
            }
            path = link->second;
        }
        refuse(fmt::format("\"{}\" is named in it, but is not in it", path));
    }
};

/// Owns what loading adds to the store: on any way out but keep() it is taken out again.
class Additions {
  public:
    explicit Additions(ImageStore& store) : store_(store) {
        const std::vector<Digest> blobs = store.content().list();
        blobs_before_.insert(blobs.begin(), blobs.end());
        const std::vector<Digest> chains = store.snapshots().list();
        chains_before_.insert(chains.begin(), chains.end());
    }
    ~Additions() {
        try {
            for (auto chain = chains_.rbegin(); chain != chains_.rend(); ++chain) {
                store_.snapshots().remove_layer(*chain);
            }
            remove_blobs_except({});
        } catch (const std::exception&) {  // best effort
        }
    }
    Additions(const Additions&) = delete;
    Additions& operator=(const Additions&) = delete;
    Additions(Additions&&) = delete;
    Additions& operator=(Additions&&) = delete;

    void blob(const Digest& digest) {
        if (!blobs_before_.contains(digest)) {
            blobs_.insert(digest);
        }
    }
    void chains(const std::vector<Digest>& chains) {
        for (const Digest& chain : chains) {
            if (!chains_before_.contains(chain) &&
                std::ranges::find(chains_, chain) == chains_.end()) {
                chains_.push_back(chain);
            }
        }
    }
    /// What is in `needed` stays, other blobs (files that belong to no image) go.
    void keep(const std::set<Digest>& needed) {
        chains_.clear();
        remove_blobs_except(needed);
    }

  private:
    void remove_blobs_except(const std::set<Digest>& needed) {
        for (const Digest& digest : blobs_) {
            if (!needed.contains(digest)) {
                store_.content().remove(digest);
            }
        }
        blobs_.clear();
    }

    ImageStore& store_;
    std::set<Digest> blobs_before_{};
    std::set<Digest> chains_before_{};
    std::set<Digest> blobs_{};
    std::vector<Digest> chains_{};
};

/// "./a//b/" is "a/b". Nothing of the archive is ever written under its own name, but one that
/// tries to get out was made to do harm, and the rest of it is not to be trusted either.
std::string clean_path(std::string_view path, std::string_view where) {
    std::string result;
    std::string_view rest = path;
    while (!rest.empty()) {
        const std::size_t slash = rest.find('/');
        const std::string_view part = rest.substr(0, slash);
        rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
        if (part == "..") {
            throw InputError(fmt::format("{}: a path with \"..\"", where));
        }
        if (!part.empty() && part != ".") {
            result += (result.empty() ? "" : "/");
            result += part;
        }
    }
    if (path.starts_with('/') || path.size() > kMaxPath || path.find('\0') != std::string::npos) {
        throw InputError(
            fmt::format("{}: expected a relative path of at most {} bytes", where, kMaxPath));
    }
    return result;
}

/// What a symbolic link leads to, seen from the archive's root: old docker archives share layers
/// that way.
std::string link_target(const std::string& path, const TarEntry& entry, const TarReader& tar) {
    const std::filesystem::path target =
        (std::filesystem::path(path).parent_path() / entry.link_target).lexically_normal();
    return clean_path(target.native(), tar.where());
}

bool is_document(std::string_view path) {
    return path == "manifest.json" || path == "index.json" || path == "oci-layout" ||
           path == "repositories";
}

void store_file(const std::string& path, TarReader& tar, const ContentStore& content,
                ArchiveFiles& files, Additions& additions) {
    std::optional<Digest> expected;
    if (path.starts_with(kArchiveBlobs)) {
        expected = parse_digest("sha256:" + path.substr(kArchiveBlobs.size()), tar.where());
    }
    Ingest ingest = content.begin();
    static constexpr std::array<std::byte, 4096> kZeros{};
    while (const std::optional<TarBlock> block = tar.next_block()) {
        while (ingest.size() < block->offset) {
            ingest.write(std::span(kZeros).first(static_cast<std::size_t>(
                std::min<std::uint64_t>(kZeros.size(), block->offset - ingest.size()))));
        }
        ingest.write(block->bytes);
    }
    const std::uint64_t size = ingest.size();
    Digest digest;
    try {
        digest = ingest.commit(expected);
    } catch (const InputError& e) {
        throw InputError(fmt::format("{}: {}", tar.where(), e.what()));
    }
    additions.blob(digest);
    files.blobs[path] = {.digest = digest, .size = size};
}

void read_entry(const TarEntry& entry, TarReader& tar, const ContentStore& content,
                ArchiveFiles& files, Additions& additions) {
    const std::string path = clean_path(entry.path, tar.where());
    switch (entry.type) {
        case TarType::Directory:
            return;
        case TarType::Symlink:
            files.links[path] = link_target(path, entry, tar);
            return;
        case TarType::HardLink:
            files.links[path] = clean_path(entry.link_target, tar.where());
            return;
        case TarType::File:
            if (is_document(path)) {
                files.documents[path] = tar.read(kMaxManifestSize);
            } else {
                store_file(path, tar, content, files, additions);
            }
            return;
        default:
            throw InputError(
                fmt::format("{}: expected a file, a directory or a link", tar.where()));
    }
}

ArchiveFiles read_archive(ImageStore& store, int in, const std::string& name,
                          Additions& additions) {
    ArchiveFiles files{.name = name};
    TarReader tar(in, name);
    std::size_t entries = 0;
    while (const TarEntry* entry = tar.next()) {
        if (++entries > kMaxEntries) {
            files.refuse(fmt::format("more than {} entries", kMaxEntries));
        }
        const TarEntry copy = *entry;
        read_entry(copy, tar, store.content(), files, additions);
    }
    static_cast<void>(tar.finish());
    return files;
}

/// An image found in the archive, its manifest a blob of the store.
struct Found {
    oci::Descriptor manifest{};
    Digest config{};
    std::vector<Reference> names{};
};

void add_name(std::vector<Reference>& names, std::string_view text) {
    const Reference name = parse_reference(text);
    if (std::ranges::find(names, name) == names.end()) {
        names.push_back(name);
    }
}

/// The manifest that an entry of an index leads to, through at most one more index.
oci::Descriptor manifest_behind(const oci::Descriptor& entry, const ContentStore& content,
                                int depth = 0) {
    if (!media_type::is_index(entry.media_type)) {
        return entry;
    }
    if (depth == 2) {
        throw InputError("index " + entry.digest.text() + ": nested too deep");
    }
    const oci::Index index = parse_index(content.read(entry.digest, kMaxManifestSize),
                                         entry.media_type, "index " + entry.digest.text());
    return manifest_behind(choose_platform(index, host_platform()), content, depth + 1);
}

std::vector<Found> oci_images(const ArchiveFiles& files, const ContentStore& content) {
    const oci::Index index =
        parse_index(files.documents.at("index.json"), {}, files.name + ": index.json");
    std::vector<Found> result;
    for (const oci::Descriptor& entry : index.manifests) {
        Found found{.manifest = manifest_behind(entry, content)};
        const oci::Manifest manifest =
            parse_manifest(content.read(found.manifest.digest, kMaxManifestSize),
                           found.manifest.media_type, "manifest " + found.manifest.digest.text());
        found.config = manifest.config.digest;
        const auto full = entry.annotations.find(kContainerdNameKey);
        const auto ref = entry.annotations.find(kRefNameKey);
        if (full != entry.annotations.end()) {
            add_name(found.names, full->second);
        } else if (ref != entry.annotations.end() &&
                   ref->second.find_first_of("/:") != std::string::npos) {
            add_name(found.names, ref->second);  // else it is a tag alone: nobody knows of what
        }
        const auto known = std::ranges::find(result, found.config, &Found::config);
        if (known == result.end()) {
            result.push_back(std::move(found));
        } else {
            known->names.insert(known->names.end(), found.names.begin(), found.names.end());
        }
    }
    return result;
}

std::string_view layer_type(const ContentStore& content, const Digest& digest) {
    std::array<unsigned char, 4> magic{};
    const UniqueFd fd = content.open(digest);
    check(::read(fd.get(), magic.data(), magic.size()), "read({})", digest.text());
    if (magic[0] == 0x1f && magic[1] == 0x8b) {
        return media_type::kOciLayerGzip;
    }
    return magic == std::array<unsigned char, 4>{0x28, 0xb5, 0x2f, 0xfd} ? media_type::kOciLayerZstd
                                                                         : media_type::kOciLayer;
}

/// A docker archive has no manifests of a registry's kind: they are made here.
Found docker_image(const JsonPlace& place, const ArchiveFiles& files, const ContentStore& content) {
    const StoredFile& config = files.file(clean_path(place.at("Config").string(), files.name));
    oci::Manifest manifest{.media_type = std::string(media_type::kOciManifest),
                           .config = {.media_type = std::string(media_type::kOciConfig),
                                      .digest = config.digest,
                                      .size = config.size}};
    for (const std::string& path : place.strings("Layers")) {
        const StoredFile& layer = files.file(clean_path(path, files.name));
        manifest.layers.push_back({.media_type = std::string(layer_type(content, layer.digest)),
                                   .digest = layer.digest,
                                   .size = layer.size});
    }
    const std::string text = to_text(manifest);
    Found found{.manifest = {.media_type = manifest.media_type,
                             .digest = content.put(text),
                             .size = text.size()},
                .config = config.digest};
    for (const std::string& name : place.strings("RepoTags")) {
        add_name(found.names, name);
    }
    return found;
}

std::vector<Found> images_in(const ArchiveFiles& files, const ContentStore& content,
                             Additions& additions) {
    const bool has_index = files.documents.contains("index.json");
    const auto docker = files.documents.find("manifest.json");
    if (!has_index && docker == files.documents.end()) {
        files.refuse(
            "no manifest.json and no index.json: neither a docker archive nor an OCI layout");
    }
    std::vector<Found> result;
    if (has_index) {
        result = oci_images(files, content);
    }
    if (docker != files.documents.end()) {
        const std::string name = files.name + ": manifest.json";
        const json parsed = parse_strict_json(docker->second, name);
        for (const JsonPlace& place : JsonPlace(parsed, name).elements()) {
            Found found = docker_image(place, files, content);
            const auto known = std::ranges::find(result, found.config, &Found::config);
            if (known == result.end()) {
                additions.blob(found.manifest.digest);
                result.push_back(std::move(found));
                continue;
            }
            if (known->manifest.digest != found.manifest.digest) {
                additions.blob(found.manifest.digest);  // made here, and not needed
            }
            for (const Reference& reference : found.names) {
                if (std::ranges::find(known->names, reference) == known->names.end()) {
                    known->names.push_back(reference);
                }
            }
        }
    }
    if (result.empty()) {
        files.refuse("there is no image in it");
    }
    return result;
}

std::set<Digest> needed_by(const ImageStore& store, const std::vector<Image>& images) {
    std::set<Digest> needed;
    for (const Image& image : images) {
        needed.insert({image.id, image.manifest.digest});
        for (const oci::Descriptor& layer : store.manifest(image).layers) {
            needed.insert(layer.digest);
        }
    }
    return needed;
}

/// Gives the images their names. To be called when everything is as it should be.
std::vector<LoadedImage> named(ImageStore& store, const std::vector<Found>& found,
                               const std::vector<Image>& images) {
    std::vector<LoadedImage> result;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const std::string text = store.manifest_text(images[i]);
        const std::string& type = found[i].manifest.media_type;
        for (const Reference& name : found[i].names) {
            result.push_back({.image = store.put_manifest(text, type, name), .name = name});
        }
        if (found[i].names.empty()) {
            result.push_back({.image = store.put_manifest(text, type, {})});
        }
    }
    return result;
}

}  // namespace

// [region: load-images]
std::vector<LoadedImage> load_images(ImageStore& store, int in,
                                     const std::string& name_for_errors) {
    const StoreLease lease(store);  // its blobs and layers belong to no image yet
    Additions additions(store);
    std::vector<Found> found;
    std::vector<Image> images;
    try {
        found = images_in(read_archive(store, in, name_for_errors, additions), store.content(),
                          additions);
        for (const Found& one : found) {
            images.push_back({.id = one.config, .manifest = one.manifest});
            additions.chains(chain_ids(store.config(images.back()).diff_ids));
            static_cast<void>(store.unpack(images.back()));  // its layers must be what it says
        }
    } catch (const InputError& e) {
        const std::string_view what = e.what();
        throw InputError(what.starts_with(name_for_errors)
                             ? std::string(what)
                             : fmt::format("{}: {}", name_for_errors, what));
    }
    additions.keep(needed_by(store, images));
    return named(store, found, images);
}
// [/region]

}  // namespace drydock
