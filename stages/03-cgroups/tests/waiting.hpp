#pragma once

#include <chrono>
#include <thread>

namespace drydock::testing {

/// Whether `condition` holds within 20 s.
template <class Condition>
bool becomes_true(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        // Between two looks: nothing tells when it comes true.
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

}  // namespace drydock::testing
