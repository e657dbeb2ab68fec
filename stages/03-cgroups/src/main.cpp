#include <cstdio>

#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "02-namespaces/command_line.hpp"
#include "03-cgroups/cgroup.hpp"
#include "03-cgroups/command_line.hpp"
#include "03-cgroups/limits.hpp"
#include "03-cgroups/run.hpp"

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-03";
    CLI::App app("Runs a command in a world of its own, with a share of the machine", kProgram);
    app.require_subcommand(1);
    drydock::stage02::Options flags;
    drydock::Limits limits;
    CLI::App* run = app.add_subcommand("run", "run COMMAND with ROOTFS as its root directory");
    drydock::stage02::add_flags(*run, flags);
    drydock::add_limit_flags(*run, limits);
    try {
        if (const auto status = drydock::parse_command_line(app, argc, argv)) {
            return *status;
        }
        flags.rootfs = drydock::checked_rootfs(flags.rootfs);
        drydock::check_limits(limits);
        drydock::sweep_run_groups();
        const drydock::stage03::Ended ended =
            drydock::stage03::run(drydock::options_from(flags, limits));
        if (const std::string text = drydock::oom_text(ended.exit_status, ended.oom_killed, limits);
            !text.empty()) {
            static_cast<void>(std::fprintf(stderr, "%s: %s\n", kProgram, text.c_str()));
        }
        return ended.exit_status;
    } catch (...) {
        return drydock::report_current_exception(kProgram);
    }
}
