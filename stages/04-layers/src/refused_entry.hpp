#pragma once

#include "01-chroot/error.hpp"

namespace drydock {

/// An entry of an archive asks for what a layer may not have. The text lacks the place: which entry
/// of which archive is known where it is caught.
class RefusedEntry : public InputError {
  public:
    using InputError::InputError;
};

}  // namespace drydock
