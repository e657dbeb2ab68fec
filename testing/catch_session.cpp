#ifdef DRYDOCK_CATCH2_3
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include "testing/catch_session.hpp"

namespace drydock::testing {

int run_catch_session(int argc, char** argv) {
    return Catch::Session().run(argc, argv);
}

}  // namespace drydock::testing
