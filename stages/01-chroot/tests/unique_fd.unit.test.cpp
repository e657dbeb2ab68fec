#include "01-chroot/unique_fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <system_error>
#include <type_traits>
#include <utility>

#include "testing/catch.hpp"

using drydock::make_pipe;
using drydock::UniqueFd;

namespace {
bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}
}  // namespace

TEST_CASE("UniqueFd: the descriptor is closed with its owner", "[01][unique_fd]") {
    int number = -1;
    {
        const UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        number = fd.get();
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));
}

TEST_CASE("UniqueFd: moving leaves the source empty and closes what the target had",
          "[01][unique_fd]") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<UniqueFd>);
    UniqueFd a(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    UniqueFd b(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int first = a.get();
    const int second = b.get();
    b = std::move(a);
    CHECK(b.get() == first);
    a = UniqueFd();
    CHECK_FALSE(is_open(second));
    const UniqueFd c(std::move(b));
    CHECK(c.get() == first);
    CHECK_FALSE(b);  // NOLINT(bugprone-use-after-move): that it is empty is the fact
}

TEST_CASE("UniqueFd: release gives the descriptor up, close reports what closing lost",
          "[01][unique_fd]") {
    UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int number = fd.release();
    CHECK_FALSE(fd);
    UniqueFd owner(number);
    owner.close();
    CHECK_FALSE(is_open(number));
    CHECK_NOTHROW(owner.close());
    UniqueFd stale(number);
    CHECK_THROWS_AS(stale.close(), std::system_error);
    CHECK_FALSE(stale);
}

TEST_CASE("make_pipe: both ends are close-on-exec", "[01][unique_fd]") {
    const drydock::Pipe pipe = make_pipe();
    CHECK((::fcntl(pipe.read.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(pipe.write.get(), F_GETFD) & FD_CLOEXEC) != 0);
}
