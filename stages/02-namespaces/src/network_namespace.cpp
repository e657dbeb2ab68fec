#include "02-namespaces/network_namespace.hpp"

#include <fcntl.h>
#include <sched.h>

#include <exception>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock {

VisitedNetwork::VisitedNetwork(int network) : home_(own_network_namespace()) {
    check(::setns(network, CLONE_NEWNET), "setns({}, CLONE_NEWNET)", network);
}

VisitedNetwork::~VisitedNetwork() {
    if (::setns(home_.get(), CLONE_NEWNET) != 0) {
        std::terminate();
    }
}

// [region: make-network-namespace]
UniqueFd make_network_namespace() {
    // To unshare is the only way to make one, and it moves us there: out of the one we are in, a
    // look at the new one, and back.
    const UniqueFd home = own_network_namespace();
    const VisitedNetwork visit(home.get());
    check(::unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)");
    return own_network_namespace();
}
// [/region]

UniqueFd own_network_namespace() {
    return open_file("/proc/thread-self/ns/net", O_RDONLY);
}

}  // namespace drydock
