#include "05-images/user_lookup.hpp"

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

using drydock::resolve_user;
using Gids = std::vector<std::uint32_t>;

namespace {

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "# comment:x:9:9::/:\n"
    "broken line\n"
    "1000:x:0:0:trap:/root:/bin/sh\n"
    "-1:x:0:0:trap:/:\n"
    "0x0:x:0:0:trap:/:\n"
    "huge:x:4294967296:0::/:\n"
    "minus:x:-1:0::/:\n"
    "web:x:33:34:web:/var/www:/bin/sh\n"
    "web:x:0:0:second:/root:/bin/sh";
constexpr const char* kGroup =
    "root:x:0:\n"
    "web:x:34:\n"
    "staff:x:50:bob,web\n"
    "audio:x:29:webber,web,x\n"
    "7:x:0:\n";

std::optional<std::string> read_test_file(std::string_view path) {
    return path == "/etc/passwd"  ? std::optional<std::string>(kPasswd)
           : path == "/etc/group" ? std::optional<std::string>(kGroup)
                                  : std::nullopt;
}

}  // namespace

TEST_CASE("resolve_user: names, numbers and groups", "[05][user]") {
    struct Row {
        std::string spec;
        std::uint32_t uid, gid;
        Gids groups;
        std::string home;
    };
    const Row row = GENERATE(values<Row>({
        {"", 0, 0, {0}, "/root"},
        {"0", 0, 0, {0}, "/root"},
        {"root", 0, 0, {0}, "/root"},
        {"web", 33, 34, {29, 34, 50}, "/var/www"},
        {"33", 33, 34, {29, 34, 50}, "/var/www"},
        {"web:staff", 33, 50, {50}, "/var/www"},
        {"web:7", 33, 7, {7}, "/var/www"},
        {"1000", 1000, 0, {0}, "/"},
        {"1000:1000", 1000, 1000, {1000}, "/"},
        {"2147483648", 2147483648U, 0, {0}, "/"},
        {"4294967294", 4294967294U, 0, {0}, "/"},
        {"00033", 33, 34, {29, 34, 50}, "/var/www"},
    }));
    INFO(row.spec);
    const drydock::ResolvedUser user = resolve_user(row.spec, {}, read_test_file);
    CHECK(user.user.uid == row.uid);
    CHECK(user.user.gid == row.gid);
    CHECK(user.user.additional_gids == row.groups);
    CHECK(user.home == row.home);
}

TEST_CASE("resolve_user: what is neither name nor number is never root", "[05][user]") {
    const std::string spec =
        GENERATE("-1", "4294967295", "4294967296", "18446744073709551616", "0x0", " 0", "0 ", "+0",
                 ":", ":0", "nobody", "web:", "web:none", "web:-1", "web:4294967295", "huge",
                 "minus", "broken line", "a\nroot", "web:0x0", "root:x:0");
    INFO(spec);
    CHECK_THROWS_AS(resolve_user(spec, {}, read_test_file), drydock::InputError);
}

TEST_CASE("resolve_user: without passwd there are numbers", "[05][user]") {
    const auto nothing = [](std::string_view) { return std::nullopt; };
    CHECK(resolve_user("", {}, nothing).user.uid == 0);
    CHECK(resolve_user("7:8", {"9"}, nothing).user.additional_gids == Gids{8, 9});
    CHECK_THROWS_WITH(resolve_user("web", {}, nothing),
                      "unable to find user web: no matching entries in the image's /etc/passwd");
}

TEST_CASE("resolve_owner: of --chown, the group is the user's number when only a number is given",
          "[05][user]") {
    CHECK(drydock::resolve_owner("5", read_test_file).gid == 5);
    CHECK(drydock::resolve_owner("web", read_test_file).gid == 34);
    CHECK(drydock::resolve_owner("web:staff", read_test_file).gid == 50);
    CHECK_THROWS_AS(drydock::resolve_owner("none", read_test_file), drydock::InputError);
}
