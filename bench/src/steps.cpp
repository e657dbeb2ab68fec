// drydock-bench-steps: what a start costs inside one process, without the start of a program of
// ours around it, and what each step of the tables costs by the walker's own clock.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
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
#include "03-cgroups/bundle.hpp"
#include "03-cgroups/command_line.hpp"
#include "03-cgroups/oci_config.hpp"
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

/// docker's list for x86-64, x86 and x32, as it stands in the bundle of the other rows.
const oci::Config& docker_like() {
    static const oci::Config config = oci::parse_config(read_file(DOCKER_LIKE), DOCKER_LIKE).config;
    return config;
}
const SeccompProfile& docker_profile() {
    static const SeccompProfile profile =
        drydock::options_from(docker_like(), fs::path(DOCKER_LIKE).parent_path()).seccomp.value();
    return profile;
}

void parse_config(benchmark::State& state) {
    const std::string text = read_file(DOCKER_LIKE);
    for (auto _ : state) {
        benchmark::DoNotOptimize(oci::parse_config(text, "config.json"));
    }
}

void seccomp_compile(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(compile_seccomp(docker_profile()));
    }
}

/// What `load` takes, told by a child, because a filter stays.
template <class Load>
void time_filter(benchmark::State& state, const Load& load) {
    static_cast<void>(docker_profile());
    auto* seconds = static_cast<double*>(
        ::mmap(nullptr, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    for (auto _ : state) {
        Child child = clone_child(0);
        if (!child) {
            set_no_new_privs();
            const auto begin = std::chrono::steady_clock::now();
            load();
            *seconds =
                std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
            ::_exit(0);
        }
        if (child.wait() != 0) {
            state.SkipWithError("the filter was not loaded");
        }
        state.SetIterationTime(*seconds);
    }
    ::munmap(seconds, sizeof(double));
}

void load_by_libseccomp() {
    constexpr scmp_compare kOperators[] = {SCMP_CMP_EQ, SCMP_CMP_NE, SCMP_CMP_LT,       SCMP_CMP_LE,
                                           SCMP_CMP_GT, SCMP_CMP_GE, SCMP_CMP_MASKED_EQ};
    scmp_filter_ctx context = ::seccomp_init(docker_profile().default_action);
    ::seccomp_arch_add(context, SCMP_ARCH_X86);
    ::seccomp_arch_add(context, SCMP_ARCH_X32);
    for (const SeccompRule& rule : docker_profile().rules) {
        std::vector<scmp_arg_cmp> arguments;
        for (const SeccompCondition& c : rule.conditions) {
            arguments.push_back(
                {c.index, kOperators[static_cast<int>(c.op)], c.value, c.value_two});
        }
        for (const std::string& name : rule.names) {
            ::seccomp_rule_add_array(context, rule.action,
                                     ::seccomp_syscall_resolve_name(name.c_str()),
                                     static_cast<unsigned>(arguments.size()), arguments.data());
        }
    }
    if (::seccomp_load(context) != 0) {
        ::_exit(1);
    }
    ::seccomp_release(context);
}

void seccomp(benchmark::State& state) {
    time_filter(state, [] { load_seccomp(compile_seccomp(docker_profile())); });
}
/// The same by libseccomp, as other runtimes do it.
void libseccomp(benchmark::State& state) {
    time_filter(state, load_by_libseccomp);
}
void seccomp_load(benchmark::State& state) {
    const std::vector<sock_filter> filter = compile_seccomp(docker_profile());
    time_filter(state, [&] { load_seccomp(filter); });
}

}  // namespace

BENCHMARK(process)->Unit(benchmark::kMicrosecond);
BENCHMARK(open_inside)->Unit(benchmark::kMicrosecond);
BENCHMARK(parse_config)->Unit(benchmark::kMicrosecond);
BENCHMARK(seccomp_compile)->Unit(benchmark::kMicrosecond);
BENCHMARK(seccomp_load)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(seccomp)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(libseccomp)->UseManualTime()->Unit(benchmark::kMicrosecond);
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
