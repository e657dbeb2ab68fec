#pragma once

#include "01-chroot/unique_fd.hpp"
#include "05-images/image_store.hpp"

namespace drydock {

/// While it lives, nobody holds a StoreLease: no build, pull or load is under way.
class StoreAlone {
  public:
    /// @throws InputError when somebody holds one
    explicit StoreAlone(const ImageStore& store);

  private:
    UniqueFd lock_{};
};

}  // namespace drydock
