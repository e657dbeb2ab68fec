#include "copy_up.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

namespace fs = std::filesystem;
using drydock::check;

namespace {

/// Type, mode, owner, device and time of an entry, as one text.
std::string facts_of(const fs::path& path) {
    struct stat status{};
    check(::lstat(path.c_str(), &status), "lstat({})", path.native());
    return fmt::format("{:o} {}:{} {}:{} {}.{}", status.st_mode, status.st_uid, status.st_gid,
                       major(status.st_rdev), minor(status.st_rdev), status.st_mtim.tv_sec,
                       status.st_mtim.tv_nsec);
}

void own_and_date(const fs::path& path) {
    check(::lchown(path.c_str(), 11, 12), "lchown()");
    constexpr std::array<timespec, 2> kTimes = {{{1000, 1}, {2000, 2}}};
    check(::utimensat(AT_FDCWD, path.c_str(), kTimes.data(), AT_SYMLINK_NOFOLLOW), "utimensat()");
}

}  // namespace

TEST_CASE("copy_directory: content, links, devices, owners, modes, times, attributes",
          "[02][copy-up]") {
    const drydock::TempDir parent("drydock-copy-");
    const fs::path from = parent.path() / "from";
    const fs::path to = parent.path() / "to";
    fs::create_directories(from / "directory");
    fs::create_directory(to);
    std::ofstream(from / "directory" / "file") << "content";
    check(::chmod((from / "directory" / "file").c_str(), 0640), "chmod()");
    check(::setxattr((from / "directory" / "file").c_str(), "user.note", "n", 1, 0), "setxattr()");
    fs::create_symlink("file", from / "directory" / "link");
    check(::mknod((from / "directory" / "null").c_str(), S_IFCHR | 0604, makedev(1, 3)), "mknod()");
    check(::mkfifo((from / "directory" / "fifo").c_str(), 0601), "mkfifo()");
    own_and_date(from / "directory" / "file");
    check(::chmod((from / "directory" / "file").c_str(), 06755), "chmod()");
    for (const char* name : {"link", "null", "fifo"}) {
        own_and_date(from / "directory" / name);
    }
    own_and_date(from / "directory");
    check(::chmod((from / "directory").c_str(), 01750), "chmod()");

    drydock::copy_directory(drydock::open_file(from, O_RDONLY | O_DIRECTORY).get(),
                            drydock::open_file(to, O_RDONLY | O_DIRECTORY).get());

    for (const char* name :
         {"directory", "directory/file", "directory/link", "directory/null", "directory/fifo"}) {
        INFO(name);
        CHECK(facts_of(to / name) == facts_of(from / name));
    }
    CHECK(drydock::read_file(to / "directory" / "file") == "content");
    CHECK(fs::read_symlink(to / "directory" / "link") == "file");
    char note = 0;
    CHECK(::getxattr((to / "directory" / "file").c_str(), "user.note", &note, 1) == 1);
    CHECK(note == 'n');
}
