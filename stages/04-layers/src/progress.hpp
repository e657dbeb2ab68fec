#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace drydock::stage04 {

/// Says on stderr how far `what` is, once a second: what takes less says nothing. Stops it when a
/// signal asks for that (interrupted.hpp).
std::function<void(std::uint64_t)> progress_of(std::string what);

}  // namespace drydock::stage04
