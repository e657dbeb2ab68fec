// drydock-bench-steps: what a start costs inside one process, without the start of a program of
// ours around it, and what each step of the tables costs by the walker's own clock.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>
#include <seccomp.h>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/path_in_root.hpp"
#include "01-chroot/run.hpp"
#include "01-chroot/temp_dir.hpp"
#include "02-namespaces/run.hpp"
#include "02-namespaces/seccomp_bpf.hpp"
#include "03-cgroups/command_line.hpp"
#include "03-cgroups/run.hpp"

namespace fs = std::filesystem;
using namespace drydock;

namespace {

/// A root with nothing in it but the command.
const fs::path& rootfs() {
    static const TempDir dir("drydock-bench");
    static const bool filled =
        fs::copy_file(fs::read_symlink("/proc/self/exe").parent_path() / "drydock-bench-true",
                      dir.path() / "true");
    benchmark::DoNotOptimize(filled);
    return dir.path();
}

Command the_command() {
    return {.argv = {"/true"}};
}

/// What --explain printed, as microseconds by step: "child  pivot-root   31 µs  -> …".
std::map<std::string, double> steps_in(std::string_view text) {
    std::map<std::string, double> steps;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        const auto unit = line.find(" µs");
        if ((!line.starts_with("host") && !line.starts_with("child")) ||
            unit == std::string_view::npos) {
            continue;
        }
        const std::string_view name = line.substr(7, line.find(' ', 7) - 7);
        const std::string_view number =
            line.substr(line.rfind(' ', unit - 1) + 1, unit - line.rfind(' ', unit - 1) - 1);
        double value = 0;
        std::from_chars(number.data(), number.data() + number.size(), value);
        steps[std::string(name)] = value;
    }
    return steps;
}

/// One start a round, then one with the walker's clock running for the step counters.
template <class Run>
void time_stage(benchmark::State& state, const Run& run) {
    for (auto _ : state) {
        run(WalkOptions{});
    }
}

template <class Run>
void time_steps(benchmark::State& state, const Run& run) {
    std::map<std::string, std::vector<double>> all;
    for (auto _ : state) {
        const UniqueFd text(check(::memfd_create("explain", MFD_CLOEXEC), "memfd_create()"));
        run(WalkOptions{.explain = true, .explain_fd = text.get()});
        check(::lseek(text.get(), 0, SEEK_SET), "lseek()");
        for (const auto& [name, microseconds] :
             steps_in(read_all(text.get(), std::size_t{1} << 20U, "explain"))) {
            all[name].push_back(microseconds);
        }
    }
    for (auto& [name, values] : all) {
        std::ranges::nth_element(values,
                                 values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
        state.counters[name] = values[values.size() / 2];
    }
}

void run_stage_01(const WalkOptions& walk) {
    stage01::run({.rootfs = rootfs(), .command = the_command(), .walk = walk});
}
void run_stage_02(const WalkOptions& walk) {
    stage02::run({.rootfs = rootfs(), .command = the_command(), .walk = walk});
}
void run_stage_03(const WalkOptions& walk) {
    Limits limits;
    limits.memory_bytes = std::int64_t{256} << 20U;
    limits.nano_cpus = 500'000'000;
    limits.pids = 100;
    stage03::run(
        options_from({.rootfs = rootfs(), .command = the_command(), .walk = walk}, limits));
}

void process(benchmark::State& state) {
    for (auto _ : state) {
        Child child = clone_child(0);
        if (!child) {
            ::_exit(0);
        }
        child.wait();
    }
}

void open_inside(benchmark::State& state) {
    const UniqueFd root = open_file("/", O_PATH | O_DIRECTORY);
    for (auto _ : state) {
        benchmark::DoNotOptimize(open_in_root(root.get(), "/usr/bin/../lib", O_PATH));
    }
}

void seccomp_compile(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(compile_seccomp(default_seccomp_profile(kDefaultCapabilities)));
    }
}

/// The time that loading takes, told by a child, because a filter stays.
void seccomp_load(benchmark::State& state) {
    const std::vector<sock_filter> filter =
        compile_seccomp(default_seccomp_profile(kDefaultCapabilities));
    auto* seconds = static_cast<double*>(
        ::mmap(nullptr, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    for (auto _ : state) {
        Child child = clone_child(0);
        if (!child) {
            set_no_new_privs();
            const auto begin = std::chrono::steady_clock::now();
            load_seccomp(filter);
            *seconds =
                std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
            ::_exit(0);
        }
        child.wait();
        state.SetIterationTime(*seconds);
    }
    ::munmap(seconds, sizeof(double));
}

/// The same list through libseccomp, as other runtimes do it (for the native ABI only).
void seccomp_compile_by_libseccomp(benchmark::State& state) {
    const SeccompProfile profile = default_seccomp_profile(kDefaultCapabilities);
    const UniqueFd null = open_file("/dev/null", O_WRONLY);
    for (auto _ : state) {
        scmp_filter_ctx context = ::seccomp_init(profile.default_action);
        for (const SeccompRule& rule : profile.rules) {
            for (const std::string& name : rule.names) {
                if (rule.conditions.empty() && rule.action != profile.default_action) {
                    ::seccomp_rule_add_array(context, rule.action,
                                             ::seccomp_syscall_resolve_name(name.c_str()), 0,
                                             nullptr);
                }
            }
        }
        ::seccomp_export_bpf(context, null.get());
        ::seccomp_release(context);
    }
}

}  // namespace

BENCHMARK(process)->Unit(benchmark::kMicrosecond);
BENCHMARK(open_inside)->Unit(benchmark::kMicrosecond);
BENCHMARK(seccomp_compile)->Unit(benchmark::kMicrosecond);
BENCHMARK(seccomp_load)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(seccomp_compile_by_libseccomp)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(time_stage, 01, run_stage_01)
    ->Name("stage_01")
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(time_stage, 02, run_stage_02)
    ->Name("stage_02")
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(time_stage, 03, run_stage_03)
    ->Name("stage_03")
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(time_steps, 01, run_stage_01)
    ->Name("steps_01")
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(time_steps, 02, run_stage_02)
    ->Name("steps_02")
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(time_steps, 03, run_stage_03)
    ->Name("steps_03")
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

BENCHMARK_MAIN();
