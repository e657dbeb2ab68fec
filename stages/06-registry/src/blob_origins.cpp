#include "blob_origins.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kOriginsKept = 8;  ///< of each blob
constexpr std::size_t kMaxOrigins = std::size_t{16} << 10U;

fs::path origins_of(const ImageStore& store) {
    return store.data_root() / "origins";
}

/// Lines "DOMAIN PATH", the newest first; none for what cannot be read.
std::vector<std::string> lines_of(const fs::path& file) {
    std::vector<std::string> lines;
    try {
        const std::string text = read_file(file, kMaxOrigins);
        for (std::size_t begin = 0; begin < text.size();) {
            const std::size_t end = std::min(text.find('\n', begin), text.size());
            lines.push_back(text.substr(begin, end - begin));
            begin = end + 1;
        }
    } catch (const std::exception&) {
        lines.clear();
    }
    return lines;
}

void remember(const ImageStore& store, int directory, const Digest& blob, const std::string& line) {
    const std::string name(blob.hex());
    std::vector<std::string> lines = lines_of(origins_of(store) / name);
    if (!lines.empty() && lines.front() == line) {
        return;
    }
    std::erase(lines, line);
    lines.insert(lines.begin(), line);
    lines.resize(std::min(lines.size(), kOriginsKept));
    std::string text;
    for (const std::string& each : lines) {
        text += each + "\n";
    }
    replace_file(directory, name, text, 0600, Lasts::Kill);
}

/// Notes about blobs that are no longer here.
void forget_removed(const ImageStore& store) {
    for (const auto& entry : fs::directory_iterator(origins_of(store))) {
        if (!fs::exists(store.data_root() / "blobs/sha256" / entry.path().filename())) {
            fs::remove(entry.path());
        }
    }
}

}  // namespace

void remember_origin(const ImageStore& store, const oci::Manifest& manifest,
                     const Reference& repository) {
    try {
        const fs::path path = origins_of(store);
        if (::mkdir(path.c_str(), 0700) == -1 && errno != EEXIST) {
            check(-1, "mkdir({})", path.native());
        }
        const UniqueFd directory = open_file(path, O_RDONLY | O_DIRECTORY);
        const std::string line = repository.domain + " " + repository.path;
        remember(store, directory.get(), manifest.config.digest, line);
        for (const oci::Descriptor& layer : manifest.layers) {
            remember(store, directory.get(), layer.digest, line);
        }
        forget_removed(store);
    } catch (const std::exception&) {
        return;  // the image is here; that a later push may be slower is no reason to fail
    }
}

std::vector<std::string> known_origins(const ImageStore& store, const Digest& blob,
                                       const std::string& domain, const std::string& other_than) {
    std::vector<std::string> repositories;
    for (const std::string& line : lines_of(origins_of(store) / blob.hex())) {
        if (line.starts_with(domain + " ") && line.substr(domain.size() + 1) != other_than) {
            repositories.push_back(line.substr(domain.size() + 1));
        }
    }
    return repositories;
}

}  // namespace drydock
