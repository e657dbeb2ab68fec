#pragma once

// The one place that knows which Catch2 this is: Debian 12 has 2.13, Ubuntu 24.04 has 3.
#ifdef DRYDOCK_CATCH2_3
#include <catch2/catch_all.hpp>
namespace drydock::testing {
using Catch::Matchers::ContainsSubstring;
}
#else
#include <catch2/catch.hpp>
namespace drydock::testing {
inline auto ContainsSubstring(const std::string& text) {
    return Catch::Matchers::Contains(text);
}
}  // namespace drydock::testing
#endif
