#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "01-chroot/temp_dir.hpp"
#include "05-images/base_image.hpp"
#include "05-images/image_store.hpp"

namespace drydock::testing {

/// A store of its own, gone with the test. On disk, not tmpfs-in-/tmp only: whatever $TMPDIR is.
struct StoreFixture {
    TempDir directory{"drydock-05-"};
    ImageStore store{directory.path() / "data"};

    /// Everything that a failed operation must not change.
    [[nodiscard]] std::string state() const {
        std::string text = store.content().read_index();
        for (const Digest& digest : store.content().list()) {
            text += "\nblob " + digest.text();
        }
        for (const Digest& chain : store.snapshots().list()) {
            text += "\nchain " + chain.text();
        }
        for (const std::string& key : store.snapshots().list_active()) {
            text += "\nactive " + key;
        }
        for (const char* name : {"tmp", "containers"}) {
            if (std::filesystem::exists(store.data_root() / name)) {
                for (const auto& entry :
                     std::filesystem::directory_iterator(store.data_root() / name)) {
                    text += "\nfile " + entry.path().native();
                }
            }
        }
        return text;
    }
};

inline void write_file(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
}

}  // namespace drydock::testing
