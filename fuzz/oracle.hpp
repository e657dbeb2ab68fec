#pragma once

#include <cstdio>
#include <cstdlib>

/// What a target promises of everything that is accepted.
#define HOLDS(fact)                                             \
    do {                                                        \
        if (!(fact)) {                                          \
            std::fprintf(stderr, "does not hold: %s\n", #fact); \
            std::abort();                                       \
        }                                                       \
    } while (false)
