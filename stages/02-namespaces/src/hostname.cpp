#include "02-namespaces/hostname.hpp"

#include <unistd.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock {

// [region: set-hostname]
void set_hostname(const std::string& name) {
    constexpr std::size_t kLongest = 64;  // __NEW_UTS_LEN of the kernel
    if (name.size() > kLongest) {
        throw InputError(fmt::format("hostname {}: expected at most {} bytes, got {}", name,
                                     kLongest, name.size()));
    }
    check(::sethostname(name.data(), name.size()), "sethostname({})", name);
}
// [/region]

void set_domainname(const std::string& name) {
    constexpr std::size_t kLongest = 64;
    if (name.size() > kLongest) {
        throw InputError(fmt::format("domainname {}: expected at most {} bytes, got {}", name,
                                     kLongest, name.size()));
    }
    check(::setdomainname(name.data(), name.size()), "setdomainname({})", name);
}

}  // namespace drydock
