#ifdef DRYDOCK_CATCH2_3
#include <catch2/catch_session.hpp>
#include <catch2/catch_test_macros.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <cstdio>

#include "testing/catch_session.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

namespace drydock::testing {
namespace {

constexpr int kSkipped = 77;
bool skipped = false;

}  // namespace

int run_catch_session(int argc, char** argv) {
    const int status = Catch::Session().run(argc, argv);
    return status == 0 && skipped ? kSkipped : status;
}

void skip_test(const std::string& reason) {
    skipped = true;
    static_cast<void>(std::printf("skipped: %s\n", reason.c_str()));
    SUCCEED();  // a test without a single check would count as failed
}

bool installed_or_skipped(const std::string& program) {
    if (run_program({"sh", "-c", "command -v " + program}).status == 0) {
        return true;
    }
    skip_test(program + " is not installed");
    return false;
}

}  // namespace drydock::testing
