#pragma once

#include <mutex>

#include "01-chroot/unique_fd.hpp"
#include "03-cgroups/shim_process.hpp"

namespace drydock {

/// Owns a process that makes shims by fork: `drydock-shim --zygote`, started once, with one thread
/// and all its pages in place, so that a container's shim costs no start of a program. It ends when
/// this goes, or the caller dies; the shims go on.
class ShimZygote {
  public:
    ShimZygote();
    /// Ends it.
    ~ShimZygote();
    ShimZygote(const ShimZygote&) = delete;
    ShimZygote& operator=(const ShimZygote&) = delete;
    ShimZygote(ShimZygote&&) = delete;
    ShimZygote& operator=(ShimZygote&&) = delete;

    /// As start_shim(), from any thread. One that was killed is replaced; while that cannot be done
    /// start_shim() does its work. The shim is no child of the caller's.
    StartedContainer start(ShimRequest request);

  private:
    struct Shim;
    Shim fork_shim(const ShimRequest& request, int control, int report);
    void launch();

    std::mutex mutex_{};  ///< guards all below: one request at a time, each takes a fork's time
    UniqueFd socket_{};
    UniqueFd pidfd_{};
};

/// What `drydock-shim --zygote` does: makes a shim for each request that comes on its standard
/// input, a socket, until that is closed. @return 0
int run_shim_zygote();

}  // namespace drydock
