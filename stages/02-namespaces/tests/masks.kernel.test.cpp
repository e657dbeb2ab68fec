#include "02-namespaces/masks.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "02-namespaces/dev.hpp"
#include "02-namespaces/rootfs.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

namespace fs = std::filesystem;
using drydock::testing::in_mount_namespace;

namespace {

/// In a root that holds a file, a directory with a file in it, and /dev/null.
int in_root(const std::function<int()>& body) {
    const drydock::TempDir dir("drydock-test");
    return in_mount_namespace([&] {
        drydock::mount_fs({.source = "tmpfs", .target = dir.path(), .type = "tmpfs"});
        fs::create_directories(dir.path() / "secrets");
        std::ofstream(dir.path() / "secrets/inner") << "x";
        std::ofstream(dir.path() / "secret") << "x";
        drydock::make_devices(dir.path(), drydock::default_devices());
        drydock::pivot_to(dir.path());
        return body();
    });
}

const std::vector<std::string> kSecrets = {"/secret", "/nowhere", "/secrets"};

}  // namespace

TEST_CASE("mask_paths: a file reads empty, a directory has no entries, neither can be written",
          "[02][masks]") {
    const int fact = in_root([] {
        drydock::mask_paths(kSecrets);
        const bool empty = drydock::read_file("/secret").empty() && fs::is_empty("/secrets");
        return empty && !std::ofstream("/secrets/new").good() && !fs::exists("/nowhere") ? 0 : 1;
    });
    CHECK(fact == 0);
}

TEST_CASE("mask_paths: what hides a directory has room for nothing, and any user may look",
          "[02][masks]") {
    const int fact = in_root([] {
        drydock::mask_paths(kSecrets);
        struct statfs filesystem{};
        ::statfs("/secrets", &filesystem);
        const fs::perms mode = fs::status("/secrets").permissions();
        return filesystem.f_files == 1 && mode == fs::perms(0555) ? 0 : 1;
    });
    CHECK(fact == 0);
}

TEST_CASE("mask_paths: a /dev/null that is something else is refused", "[02][masks]") {
    const int fact = in_root([] {
        fs::remove("/dev/null");
        fs::create_symlink("/secrets/inner", "/dev/null");
        try {
            drydock::mask_paths(kSecrets);
            return 1;
        } catch (const drydock::SetupError&) {
            return drydock::read_file("/secret") == "x" ? 0 : 2;
        }
    });
    CHECK(fact == 0);
}

TEST_CASE("make_paths_readonly: can be read, not written, at any depth", "[02][masks]") {
    const int fact = in_root([] {
        fs::create_directory("/secrets/deep");
        drydock::make_paths_readonly(kSecrets);
        const bool reads =
            drydock::read_file("/secret") == "x" && drydock::read_file("/secrets/inner") == "x";
        const bool writes = std::ofstream("/secret").good() ||
                            std::ofstream("/secrets/inner").good() ||
                            std::ofstream("/secrets/deep/new").good();
        return reads && !writes && std::ofstream("/elsewhere").good() ? 0 : 1;
    });
    CHECK(fact == 0);
}
