// The main of every stageNN_kernel: tests that make real namespaces, mounts and cgroups. Without
// the privileges for that they are skipped (exit status 77), or, with
// DRYDOCK_KERNEL_TESTS=required, fail.
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "testing/catch_session.hpp"
#include "testing/in_child.hpp"

namespace {

constexpr int kSkipped = 77;

bool can_make_namespaces() {
    return drydock::testing::in_child(
               [] { return ::unshare(CLONE_NEWNS | CLONE_NEWPID) == 0 ? 0 : 1; }) == 0;
}

bool only_lists(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        if (std::string_view(argv[i]).starts_with("--list")) {
            return true;
        }
    }
    return false;
}

}  // namespace

int main(int argc, char** argv) {
    if (!only_lists(argc, argv) && !can_make_namespaces()) {
        const char* wish = std::getenv("DRYDOCK_KERNEL_TESTS");
        std::puts("skipped: needs CAP_SYS_ADMIN to make namespaces (run as root)");
        return wish != nullptr && std::string_view(wish) == "required" ? 1 : kSkipped;
    }
    return drydock::testing::run_catch_session(argc, argv);
}
