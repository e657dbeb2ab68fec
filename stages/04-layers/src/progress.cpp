#include "progress.hpp"

#include <chrono>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "interrupted.hpp"

namespace drydock::stage04 {

std::function<void(std::uint64_t)> progress_of(std::string what) {
    using Clock = std::chrono::steady_clock;
    return [what = std::move(what),
            next = Clock::now() + std::chrono::seconds(1)](std::uint64_t bytes) mutable {
        throw_if_interrupted();
        if (Clock::now() >= next) {
            next = Clock::now() + std::chrono::seconds(1);
            fmt::print(stderr, "{}: {} MiB\n", what, bytes >> 20U);
        }
    };
}

}  // namespace drydock::stage04
