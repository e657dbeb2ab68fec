#include "01-chroot/descriptors.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "testing/catch.hpp"
#include "testing/in_child.hpp"

TEST_CASE("close_descriptors_but: what is kept stays, below, between and above it nothing does",
          "[01][descriptors]") {
    CHECK(drydock::testing::in_child([] {
              for (int fd = 10; fd <= 20; ++fd) {
                  ::dup2(2, fd);
              }
              constexpr std::array<int, 4> kKept{17, 2, 12, -1};
              drydock::close_descriptors_but(kKept);
              for (int fd = 0; fd <= 20; ++fd) {
                  const bool open = ::fcntl(fd, F_GETFD) != -1;
                  if (open != (std::ranges::find(kKept, fd) != kKept.end())) {
                      return fd + 1;
                  }
              }
              return 0;
          }) == 0);
}
