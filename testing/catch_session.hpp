#pragma once

namespace drydock::testing {

/// Runs the tests that the arguments select. Here and not in each main: Catch2's runner is slow to
/// compile.
int run_catch_session(int argc, char** argv);

}  // namespace drydock::testing
