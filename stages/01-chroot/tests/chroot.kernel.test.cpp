#include "01-chroot/chroot.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

namespace fs = std::filesystem;
using drydock::testing::in_child;

namespace {

/// 0 or the errno with which chroot_to() fails.
int error_of(const fs::path& rootfs) {
    return in_child([&] {
        try {
            drydock::chroot_to(rootfs);
            return 0;
        } catch (const std::system_error& e) {
            return e.code().value();
        }
    });
}

}  // namespace

TEST_CASE("chroot_to: / and the working directory are the root's", "[01][chroot]") {
    const drydock::TempDir root("drydock-test");
    std::ofstream(root.path() / "inside") << "x";
    const int fact = in_child([&] {
        drydock::chroot_to(root.path());
        const bool right = fs::exists("/inside") && fs::exists("inside") && !fs::exists("/etc") &&
                           !fs::exists("../etc");
        return right ? 0 : 1;
    });
    CHECK(fact == 0);
}

TEST_CASE("chroot_to: ENOENT, ENOTDIR", "[01][chroot]") {
    CHECK(error_of("/nowhere") == ENOENT);
    CHECK(error_of("/etc/passwd") == ENOTDIR);
}

TEST_CASE("chroot_to: EPERM for who is not root", "[01][chroot]") {
    const int error = drydock::testing::in_child_as(65534, [] {
        try {
            drydock::chroot_to("/");
            return 0;
        } catch (const std::system_error& e) {
            return e.code().value();
        }
    });
    CHECK(error == EPERM);
}

// What the whole of stage 02 is for.
TEST_CASE("chroot_to: root gets out again", "[01][chroot]") {
    const drydock::TempDir root("drydock-test");
    const int is_out = in_child([&] {
        drydock::chroot_to(root.path());
        // The working directory stays outside the new root, and nothing stops its "..".
        if (::mkdir("x", 0700) == -1 || ::chroot("x") == -1) {
            return 0;
        }
        for (int i = 0; i < 64; ++i) {
            static_cast<void>(!::chdir(".."));
        }
        return ::chroot(".") == 0 && fs::exists("/proc/self") ? 1 : 0;
    });
    CHECK(is_out == 1);
}
