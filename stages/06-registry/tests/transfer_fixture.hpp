#pragma once

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/tar_create.hpp"
#include "05-images/image_store.hpp"
#include "06-registry/http_client.hpp"
#include "06-registry/pull.hpp"
#include "06-registry/push.hpp"
#include "06-registry/registry.hpp"

#include "raw_client.hpp"

namespace drydock::testing {

namespace fs = std::filesystem;

inline std::string random_bytes(std::size_t size, unsigned seed) {
    std::mt19937 engine(seed);
    std::string bytes(size, '\0');
    for (char& c : bytes) {
        c = static_cast<char>(engine());
    }
    return bytes;
}

/// An image of layers of 400 kB; those of the same seed and place are the same.
inline Image make_image(ImageStore& store, const Reference& name, unsigned seed = 1,
                        unsigned count = 2) {
    oci::ImageConfig config;
    config.platform = host_platform();
    config.config.cmd = std::vector<std::string>{"/bin/true"};
    std::vector<oci::Descriptor> layers;
    for (unsigned i = 0; i < count; ++i) {
        const TempDir tree("drydock-test-");
        const fs::path file = tree.path() / fmt::format("file{}", i);
        std::ofstream(file) << random_bytes(400'000, seed * 10 + i);
        for (const fs::path& path : {file, tree.path()}) {
            fs::last_write_time(path, fs::file_time_type{});
        }
        const UniqueFd directory = open_file(tree.path(), O_RDONLY | O_DIRECTORY);
        const LayerBlob blob = create_layer(store.content(), directory.get());
        config.diff_ids.push_back(blob.diff_id);
        layers.push_back({.media_type = blob.media_type, .digest = blob.digest, .size = blob.size});
    }
    return store.put_image(config, layers, name);
}

inline std::string tree_of(const fs::path& directory) {
    std::string names;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
        if (entry.is_regular_file()) {
            names += entry.path().lexically_relative(directory).native() + "\n";
        }
    }
    return names;
}

using Tamper = std::function<bool(HttpExchange&)>;  ///< true: it has answered

/// A registry that notes what it is asked, and may be made to lie.
struct TransferFixture {
    explicit TransferFixture(const fs::path& htpasswd = {})
        : registry({.root = directory.path() / "root", .htpasswd = htpasswd}),
          server([this](HttpExchange& exchange) { handle(exchange); }) {}

    void handle(HttpExchange& exchange) {
        const HttpRequest& request = exchange.request();
        {
            const std::lock_guard lock(mutex);
            asked.push_back(request.method + " " + request.path);
            authorizations.emplace_back(request.header("Authorization"));
        }
        if (!tamper || !tamper(exchange)) {
            registry.handle(exchange);
        }
    }
    Reference reference(const std::string& name) const {
        return parse_reference(server.address() + "/" + name);
    }
    /// How many requests there were whose "METHOD /path" begins and goes on like this.
    int count(const std::string& begin, const std::string& part) {
        const std::lock_guard lock(mutex);
        return static_cast<int>(std::ranges::count_if(asked, [&](const std::string& line) {
            return line.starts_with(begin) && line.find(part) != std::string::npos;
        }));
    }

    /// Digests of the blobs that the registry has.
    std::vector<std::string> registry_blobs() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(directory.path() / "root/blobs/sha256")) {
            names.push_back(entry.path().filename());
        }
        return names;
    }

    TempDir directory{"drydock-test-"};
    std::mutex mutex{};
    std::vector<std::string> asked{};
    std::vector<std::string> authorizations{};
    Tamper tamper{};
    Registry registry;
    ImageStore store{directory.path() / "data"};
    ImageStore other{directory.path() / "other"};
    RunningServer server;
};

inline ProgressCallback collect(std::vector<std::string>& lines) {
    return [&lines](const Progress& progress) {
        if (progress.total == 0) {
            lines.push_back(progress.id.empty() ? progress.status
                                                : progress.id + ": " + progress.status);
        }
    };
}

inline std::string message_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "(no error)";
}

inline bool nothing_stored(const ImageStore& store) {
    return store.content().list().empty() && store.list().empty() &&
           fs::is_empty(store.data_root() / "tmp");
}

}  // namespace drydock::testing
