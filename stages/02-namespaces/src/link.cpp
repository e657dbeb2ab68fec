#include "02-namespaces/link.hpp"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "01-chroot/check.hpp"
#include "01-chroot/unique_fd.hpp"

namespace drydock {

// [region: loopback-up]
void loopback_up() {
    // Any socket of this network namespace will do as a handle on it.
    const UniqueFd socket(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                                "socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC)"));
    constexpr std::string_view kName = "lo";
    ifreq request{};
    std::ranges::copy(kName, std::begin(request.ifr_name));
    check(::ioctl(socket.get(), SIOCGIFFLAGS, &request), "ioctl(SIOCGIFFLAGS, ifr_name=lo)");
    request.ifr_flags |= IFF_UP;
    // The kernel gives a loopback that comes up its two addresses by itself.
    check(::ioctl(socket.get(), SIOCSIFFLAGS, &request),
          "ioctl(SIOCSIFFLAGS, ifr_name=lo, ifr_flags|=IFF_UP)");
}
// [/region]

}  // namespace drydock
