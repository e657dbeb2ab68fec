#include "03-cgroups/runtime_process.hpp"

#include "03-cgroups/programs.hpp"

#include "spawn.hpp"

namespace drydock {

int run_bundle(const BundleRun& run) {
    SpawnRequest request{
        .program = program_beside("drydock-runtime"),
        .arguments = {"--root", run.runtime_root.native(), "run", "--bundle", run.bundle.native()},
        .stdin_fd = run.stdin_fd,
        .stdout_fd = run.stdout_fd,
        .stderr_fd = run.stderr_fd};
    if (run.walk.explain) {
        request.arguments.emplace_back("--explain");
    }
    for (const std::string& step : run.walk.without) {
        request.arguments.insert(request.arguments.end(), {"--without", step});
    }
    request.arguments.push_back(run.id);
    return wait_for(spawn(request));
}

}  // namespace drydock
