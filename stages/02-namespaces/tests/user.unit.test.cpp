#include "02-namespaces/user.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

namespace fs = std::filesystem;
using drydock::find_user;
using drydock::InputError;
using drydock::User;
using Groups = std::vector<gid_t>;

namespace {

struct Root {
    drydock::TempDir dir{"drydock-test"};
    drydock::UniqueFd fd{};
    Root() {
        fs::create_directory(dir.path() / "etc");
        std::ofstream(dir.path() / "etc/passwd") << "root:x:0:0:root:/root:/bin/sh\n"
                                                    "broken\n"
                                                    "web:x:33:34::/srv:/bin/sh\n"
                                                    "1000:x:0:0::/:/bin/sh\n";
        std::ofstream(dir.path() / "etc/group")
            << "root:x:0:\nstaff:x:50:web,other\nweb:x:34:\nother:x:51:other\n";
        fd = drydock::open_file(dir.path(), O_PATH | O_DIRECTORY);
    }
};

}  // namespace

TEST_CASE("find_user: nothing is root, a name is looked up with its groups and home",
          "[02][user]") {
    const Root root;
    const User nobody_named = find_user(root.fd.get(), "");
    CHECK(nobody_named.uid == 0);
    CHECK(nobody_named.groups == Groups{0});
    CHECK(nobody_named.home == "/root");
    const User web = find_user(root.fd.get(), "web");
    CHECK(web.uid == 33);
    CHECK(web.gid == 34);
    CHECK(web.groups == Groups{34, 50});
    CHECK(web.home == "/srv");
}

TEST_CASE("find_user: a number is an ID, also when a name looks like it", "[02][user]") {
    const Root root;
    CHECK(find_user(root.fd.get(), "1000").uid == 1000);
    CHECK(find_user(root.fd.get(), "1000").gid == 0);
    CHECK(find_user(root.fd.get(), "33").gid == 34);
    CHECK(find_user(root.fd.get(), "4294967294").uid == 4294967294);
    CHECK(find_user(root.fd.get(), "2147483648").uid == 2147483648);
}

TEST_CASE("find_user: a group behind a colon is the only one", "[02][user]") {
    const Root root;
    CHECK(find_user(root.fd.get(), "web:staff").gid == 50);
    CHECK(find_user(root.fd.get(), "web:staff").groups == Groups{50});
    CHECK(find_user(root.fd.get(), "7:8").gid == 8);
    CHECK(find_user(root.fd.get(), ":8").uid == 0);
}

TEST_CASE("find_user: what is no ID and no name is an input error, never root", "[02][user]") {
    const Root root;
    for (const char* text : {"-1", "4294967295", "4294967296", "0x0", " 0", "0 ", "+0", "nosuch",
                             "web:nosuch", "web:-1", "web:", "broken", "99999999999999999999"}) {
        INFO(text);
        CHECK_THROWS_AS(find_user(root.fd.get(), text), InputError);
    }
    CHECK_THROWS_WITH(find_user(root.fd.get(), "nosuch"),
                      "user \"nosuch\": not in /etc/passwd of the root");
}

TEST_CASE("find_user: a root without /etc/passwd has numbers and root only", "[02][user]") {
    const drydock::TempDir dir("drydock-test");
    const drydock::UniqueFd fd = drydock::open_file(dir.path(), O_PATH | O_DIRECTORY);
    CHECK(find_user(fd.get(), "").uid == 0);
    CHECK(find_user(fd.get(), "5:6").gid == 6);
    CHECK_THROWS_AS(find_user(fd.get(), "web"), InputError);
}

TEST_CASE(
    "find_user: a passwd file that is a pipe, a device's link or endless is refused, not waited "
    "for",
    "[02][user]") {
    const Root root;
    const fs::path passwd = root.dir.path() / "etc/passwd";
    fs::remove(passwd);
    REQUIRE(::mkfifo(passwd.c_str(), 0600) == 0);
    CHECK_THROWS_AS(find_user(root.fd.get(), "web"), InputError);
    fs::remove(passwd);
    std::ofstream(passwd) << "web:x:33:34::/:\n";
    fs::resize_file(passwd, std::uintmax_t{4} << 30U);  // sparse
    CHECK_THROWS_AS(find_user(root.fd.get(), "web"), InputError);
    fs::remove(passwd);
    fs::create_symlink("/proc/self/environ", passwd);  // inside the root there is none
    CHECK_THROWS_AS(find_user(root.fd.get(), "web"), InputError);
}
