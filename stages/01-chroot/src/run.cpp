#include "01-chroot/run.hpp"

#include "01-chroot/chroot.hpp"

namespace drydock::stage01 {
namespace {

struct Start {
    const Options& options;
    Walk walk;
};

// clang-format off
// [region: steps]
constexpr Step<Start> kSteps[] = {
    {"clone",        Side::Host,  [](Start& s) { s.walk.clone(0); },                 "clone(2), clone3"},
    {"chroot",       Side::Child, [](Start& s) { chroot_to(s.options.rootfs); },     "chroot(2)"},
    {"workdir",      Side::Child, [](Start& s) { enter_workdir(s.options.command); }, "chdir(2)"},
    {"exec",         Side::Child, [](Start& s) { exec_command(s.options.command); }, "execve(2)"},
};
// [/region]
// clang-format on

}  // namespace

int run(const Options& options) {
    Start start{.options = options, .walk = Walk(options.walk)};
    walk(kSteps, start);
    return start.walk.wait();
}

}  // namespace drydock::stage01
