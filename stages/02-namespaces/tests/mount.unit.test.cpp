#include "02-namespaces/mount.hpp"

#include <sys/mount.h>

#include <string>
#include <vector>

#include "testing/catch.hpp"

using drydock::MountSpec;
using drydock::with_mount_options;

TEST_CASE("with_mount_options: flags, propagation, and the rest for the filesystem",
          "[02][mount]") {
    const std::vector<std::string> options = {"nosuid",   "ro",       "rslave",
                                              "size=64m", "mode=755", "noexec"};
    const MountSpec spec = with_mount_options({.source = "tmpfs", .type = "tmpfs"}, options);
    CHECK(spec.flags == (MS_NOSUID | MS_RDONLY | MS_NOEXEC));
    CHECK(spec.propagation == (MS_SLAVE | MS_REC));
    CHECK(spec.data == "size=64m,mode=755");
    CHECK(spec.source == "tmpfs");
}

TEST_CASE("with_mount_options: the later of two opposites counts", "[02][mount]") {
    CHECK(with_mount_options({}, std::vector<std::string>{"ro", "rw"}).flags == 0);
    CHECK(with_mount_options({}, std::vector<std::string>{"exec", "noexec"}).flags == MS_NOEXEC);
    CHECK(with_mount_options({.flags = MS_NODEV}, std::vector<std::string>{"dev"}).flags == 0);
    CHECK(with_mount_options({}, std::vector<std::string>{"shared", "private"}).propagation ==
          MS_PRIVATE);
}

TEST_CASE("with_mount_options: bind and rbind", "[02][mount]") {
    CHECK(with_mount_options({}, std::vector<std::string>{"bind"}).flags == MS_BIND);
    CHECK(with_mount_options({}, std::vector<std::string>{"rbind"}).flags == (MS_BIND | MS_REC));
}

TEST_CASE("mount_flag_names: by name", "[02][mount]") {
    CHECK(drydock::mount_flag_names(0) == "0");
    CHECK(drydock::mount_flag_names(MS_RDONLY | MS_NOSUID) == "MS_RDONLY|MS_NOSUID");
}
