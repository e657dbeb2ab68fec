// The main of every stageNN_unit: tests that run for anyone, anywhere.
#include "testing/catch_session.hpp"

int main(int argc, char** argv) {
    return drydock::testing::run_catch_session(argc, argv);
}
