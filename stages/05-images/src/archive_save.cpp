#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/tar_writer.hpp"
#include "05-images/archive.hpp"

#include "archive_layout.hpp"

namespace drydock {
namespace {

using nlohmann::json;

std::string blob_path(const Digest& digest) {
    return fmt::format("{}{}", kArchiveBlobs, digest.hex());
}

struct Saved {
    Image image{};
    std::vector<Reference> names{};
};

/// The images to save, each once, with the names they were asked for by.
std::vector<Saved> images_to_save(const ImageStore& store, std::span<const std::string> names) {
    std::vector<Saved> result;
    for (const std::string& name : names) {
        const Image image = store.get(name);
        auto known = std::ranges::find_if(
            result, [&](const Saved& saved) { return saved.image.id == image.id; });
        if (known == result.end()) {
            result.push_back({.image = image});
            known = std::prev(result.end());
        }
        for (const Reference& own : image.references) {
            if (to_string(own) == name || familiar(own) == name ||
                familiar(own) == name + ":latest" || to_string(own) == name + ":latest") {
                known->names.push_back(own);
            }
        }
    }
    return result;
}

class Saver {
  public:
    Saver(const ImageStore& store, int out)
        : store_(store), tar_([out](std::span<const std::byte> bytes) {
              write_all(out, {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                        "archive");
          }) {}

    void document(const std::string& path, std::string_view text) {
        tar_.add({.path = path, .mode = 0644, .size = static_cast<std::int64_t>(text.size())},
                 text);
    }

    void directories() {
        tar_.add({.path = "blobs", .type = TarType::Directory, .mode = 0755});
        tar_.add({.path = "blobs/sha256", .type = TarType::Directory, .mode = 0755});
    }

    void blob(const Digest& digest) {
        if (!written_.insert(digest).second) {
            return;
        }
        const UniqueFd fd = store_.content().open(digest);
        tar_.begin({.path = blob_path(digest),
                    .mode = 0644,
                    .size = static_cast<std::int64_t>(store_.content().size(digest))});
        std::array<std::byte, 65536> buffer{};
        while (true) {
            const ssize_t n =
                check(::read(fd.get(), buffer.data(), buffer.size()), "read({})", digest.text());
            if (n == 0) {
                return;
            }
            tar_.data(std::span(buffer).first(static_cast<std::size_t>(n)));
        }
    }

    void finish() { tar_.finish(); }

  private:
    const ImageStore& store_;
    TarWriter tar_;
    std::set<Digest> written_{};
};

std::string index_of(const std::vector<Saved>& images) {
    oci::Index index{.media_type = std::string(media_type::kOciIndex)};
    for (const Saved& saved : images) {
        oci::Descriptor entry = saved.image.manifest;
        entry.annotations.erase(kRefNameKey);
        for (const Reference& name : saved.names) {
            entry.annotations[kRefNameKey] = to_string(name);
            entry.annotations[kContainerdNameKey] = to_string(name);
            index.manifests.push_back(entry);
        }
        if (saved.names.empty()) {
            index.manifests.push_back(entry);
        }
    }
    return to_text(index);
}

/// The two documents of a docker archive: manifest.json, and "repositories" for readers before
/// docker 1.10.
struct DockerDocuments {
    json manifest = json::array();
    json repositories = json::object();
};

DockerDocuments docker_documents(const ImageStore& store, const std::vector<Saved>& images) {
    DockerDocuments result;
    for (const Saved& saved : images) {
        json entry = {{"Config", blob_path(saved.image.id)},
                      {"RepoTags", json::array()},
                      {"Layers", json::array()}};
        const oci::Manifest manifest = store.manifest(saved.image);
        for (const oci::Descriptor& layer : manifest.layers) {
            entry["Layers"].push_back(blob_path(layer.digest));
        }
        for (const Reference& name : saved.names) {
            entry["RepoTags"].push_back(familiar(name));
            if (!manifest.layers.empty()) {
                result.repositories[familiar_repository(name)][name.tag] =
                    manifest.layers.back().digest.hex();
            }
        }
        result.manifest.push_back(std::move(entry));
    }
    return result;
}

}  // namespace

void save_images(const ImageStore& store, std::span<const std::string> names, int out) {
    if (names.empty()) {
        throw InputError("save: expected the name of at least one image");
    }
    const std::vector<Saved> images = images_to_save(store, names);
    const DockerDocuments docker = docker_documents(store, images);
    Saver saver(store, out);
    saver.document("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    saver.document("index.json", index_of(images));
    saver.document("manifest.json", docker.manifest.dump());
    saver.document("repositories", docker.repositories.dump());
    saver.directories();
    for (const Saved& saved : images) {
        saver.blob(saved.image.manifest.digest);
        saver.blob(saved.image.id);
        for (const oci::Descriptor& layer : store.manifest(saved.image).layers) {
            saver.blob(layer.digest);
        }
    }
    saver.finish();
}

}  // namespace drydock
