#pragma once

#include <string>

namespace drydock {

/// What a person gives to log in. Empty user: anonymous.
struct Credentials {
    std::string user{};
    std::string password{};
};

}  // namespace drydock
