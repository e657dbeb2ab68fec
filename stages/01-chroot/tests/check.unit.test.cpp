#include "01-chroot/check.hpp"

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "testing/catch.hpp"

using drydock::check;
using drydock::testing::ContainsSubstring;

TEST_CASE("check: a result other than -1 is given back, 0 as well", "[01][check]") {
    CHECK(check(0, "call()") == 0);
    CHECK(check(7L, "call()") == 7L);
    CHECK(check(-2, "call()") == -2);
}

TEST_CASE("check: -1 throws with the call, its arguments and the errno", "[01][check]") {
    errno = ENOENT;
    try {
        check(-1, "mount(source={}, target={})", "x", "/y");
        FAIL("check let a failure pass");
    } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::no_such_file_or_directory);
        CHECK_THAT(e.what(),
                   ContainsSubstring("mount(source=x, target=/y): No such file or directory"));
    }
}

TEST_CASE("check: successful calls are told while somebody listens, and errno survives that",
          "[01][check]") {
    std::vector<std::string> calls;
    drydock::narrated_calls = &calls;
    errno = EAGAIN;
    check(3, "open({})", "/a");
    CHECK(errno == EAGAIN);
    drydock::narrated_calls = nullptr;
    check(3, "open({})", "/b");
    CHECK(calls == std::vector<std::string>{"open(/a)"});
}
