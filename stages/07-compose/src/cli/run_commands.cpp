// run, create: a container from flags.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/signals.hpp"
#include "07-compose/cli/container_spec.hpp"
#include "07-compose/cli/foreground.hpp"
#include "07-compose/cli/progress.hpp"

#include "run_flags.hpp"

namespace drydock::cli {
namespace {

/// @throws InputError when there is such a file: two containers must not share one
UniqueFd open_cidfile(const std::string& path) {
    if (path.empty()) {
        return {};
    }
    if (::access(path.c_str(), F_OK) == 0) {
        throw InputError(fmt::format(
            "--cidfile {}: the file is there already; remove it, or name another", path));
    }
    return open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
}

void write_cidfile(const UniqueFd& file, const RunFlags& flags, const std::string& id) {
    if (file) {
        write_all(file.get(), id, flags.cidfile);
    }
}

std::string create(const Engine& engine, const RunFlags& flags) {
    const UniqueFd cidfile = open_cidfile(flags.cidfile);
    try {
        std::string id = create_container(engine, flags.spec);
        write_cidfile(cidfile, flags, id);
        return id;
    } catch (...) {
        if (cidfile) {
            static_cast<void>(::unlink(flags.cidfile.c_str()));
        }
        throw;
    }
}

/// --pull always: what the registry has now, before the container is made.
void pull_if_always(const Engine& engine, RunFlags& flags) {
    if (flags.spec.pull == PullPolicy::Always) {
        pull_image(engine, flags.spec.image, STDERR_FILENO, flags.spec.quiet_pull,
                   flags.spec.platform);
        flags.spec.pull = PullPolicy::Missing;
    }
}

int run_foreground(const Engine& engine, RunFlags& flags) {
    // From the moment the container is there, Ctrl-C is for it. While its image is pulled, it is
    // for us.
    std::optional<BlockedSignals> signals(std::in_place);
    // With --explain it is asked for the steps after its start, when it may have ended: then it is
    // ours to remove.
    const bool ours_to_remove =
        flags.spec.explain &&
        std::exchange(flags.spec.auto_remove, flags.spec.auto_remove && !flags.spec.explain);
    const UniqueFd cidfile = open_cidfile(flags.cidfile);
    auto id = try_create(engine, flags.spec);
    if (!id) {
        signals.reset();
        pull_missing_image(engine, flags.spec);
        signals.emplace();
        id = create_container(engine, flags.spec);
    }
    write_cidfile(cidfile, flags, *id);
    const Foreground container{
        .id = *id,
        .auto_remove = flags.spec.auto_remove,
        .streams = {.interactive = flags.spec.attached.in, .tty = flags.spec.streams.tty},
        .out = flags.spec.attached.out,
        .err = flags.spec.attached.err,
        .pass_signals = flags.pass_signals,
        .detach_keys = flags.detach_keys,
        .explain = flags.spec.explain};
    if (!container.out && !container.err) {
        fmt::print("{}\n", *id);  // docker's rule: who does not see its output needs its name
        static_cast<void>(std::fflush(stdout));
    }
    if (!ours_to_remove) {
        return run_in_foreground(engine, container);
    }
    try {
        const int status = run_in_foreground(engine, container);
        engine.remove(path_of({"containers", *id}), {{"force", "1"}});
        return status;
    } catch (...) {
        engine.remove(path_of({"containers", *id}), {{"force", "1"}});
        throw;
    }
}

int run_detached(const Engine& engine, const RunFlags& flags) {
    const std::string id = create(engine, flags);
    start_container(engine, id);
    if (flags.spec.explain) {
        print_explanation(engine, id);
    }
    fmt::print("{}\n", id);
    return 0;
}

}  // namespace

int run_run(const Invocation& invocation) {
    CLI::App app("Makes a container of IMAGE and runs COMMAND in it");
    prepare(app, invocation);
    RunFlags flags;
    add_run_flags(app, flags);
    app.add_flag("-d,--detach", flags.detach, "print its ID and leave it running");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    finish_run_flags(flags, app);
    if (flags.detach && !flags.attach.empty()) {
        throw InputError("-d and -a: a container that is left alone is not attached to; give one");
    }
    flags.spec.attached = attached_streams(flags);
    flags.spec.stdin_once = flags.spec.attached.in;
    const bool stays = flags.spec.attached.in || flags.spec.attached.out || flags.spec.attached.err;
    if (flags.spec.attached.in && flags.terminal && ::isatty(STDIN_FILENO) == 0) {
        throw InputError("-t: our standard input is no terminal; leave -t out to pass it on");
    }
    try {
        const Engine engine = invocation.engine();
        pull_if_always(engine, flags);
        return stays ? run_foreground(engine, flags) : run_detached(engine, flags);
    } catch (const EngineError& e) {
        throw SetupError(e.what(), {}, kSetupFailed);
    }
}

int run_create(const Invocation& invocation) {
    CLI::App app("Makes a container of IMAGE and does not start it");
    prepare(app, invocation);
    RunFlags flags;
    add_run_flags(app, flags);
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    finish_run_flags(flags, app);
    flags.spec.attached = attached_streams(flags);
    flags.spec.stdin_once = flags.spec.attached.in;
    const Engine engine = invocation.engine();
    pull_if_always(engine, flags);
    fmt::print("{}\n", create(engine, flags));
    return 0;
}

}  // namespace drydock::cli
