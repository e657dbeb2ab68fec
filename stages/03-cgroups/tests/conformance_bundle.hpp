#pragma once

// A bundle that a test changes property by property, run by the runtime under test: ours, or the
// one that the environment names, which shows that the tests are right:
//   DRYDOCK_RUNTIME=/usr/sbin/runc stage03_kernel '[conformance]~[runc-deviates]'

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

namespace drydock::testing {

inline std::string runtime_under_test() {
    const char* named = std::getenv("DRYDOCK_RUNTIME");  // NOLINT(concurrency-mt-unsafe)
    return named != nullptr ? named : program_path("drydock-runtime").native();
}

class ConformanceBundle {
  public:
    ConformanceBundle() {
        make_test_rootfs(rootfs());
        for (const char* name : {"proc", "dev", "sys", "tmp", "mnt"}) {
            std::filesystem::create_directories(rootfs() / name);
        }
        for (const char* applet : {"cut", "ionice", "uname", "test", "wc"}) {
            std::filesystem::create_symlink("busybox", rootfs() / "bin" / applet);
        }
        using nlohmann::json;
        config = {
            {"ociVersion", "1.0.2"},
            {"process",
             {{"terminal", false},
              {"user", {{"uid", 0}, {"gid", 0}}},
              {"args", {"/probe"}},
              {"env", {"PATH=/bin:/usr/bin"}},
              {"rlimits", json::array({{{"type", "RLIMIT_NOFILE"}, {"soft", 256}, {"hard", 256}}})},
              {"cwd", "/"}}},
            {"root", {{"path", "rootfs"}}},
            {"mounts", json::array({mount("/proc", "proc", "proc", {}),
                                    mount("/dev", "tmpfs", "tmpfs", {"nosuid", "mode=755"}),
                                    mount("/dev/pts", "devpts", "devpts",
                                          {"newinstance", "ptmxmode=0666"})})},
            {"linux", {{"namespaces", json::array()}, {"resources", json::object()}}}};
        for (const char* type : {"pid", "mount", "ipc", "uts", "network"}) {
            config["linux"]["namespaces"].push_back({{"type", type}});
        }
    }

    [[nodiscard]] static nlohmann::json mount(const std::string& destination,
                                              const std::string& type, const std::string& source,
                                              const std::vector<std::string>& options) {
        return {
            {"destination", destination}, {"type", type}, {"source", source}, {"options", options}};
    }
    void add_mount(const std::string& destination, const std::string& type,
                   const std::string& source, const std::vector<std::string>& options) {
        config["mounts"].push_back(mount(destination, type, source, options));
    }
    void shell(const std::string& script) { config["process"]["args"] = {"/bin/sh", "-c", script}; }
    nlohmann::json& process() { return config["process"]; }
    nlohmann::json& linux_part() { return config["linux"]; }
    /// All five sets, or those named.
    void capabilities(const std::vector<std::string>& names,
                      const std::vector<std::string>& sets = {"bounding", "permitted",
                                                              "effective"}) {
        for (const std::string& set : sets) {
            process()["capabilities"][set] = names;
        }
    }

    [[nodiscard]] std::vector<std::string> command(
        const std::vector<std::string>& arguments) const {
        std::vector<std::string> argv = {runtime_under_test(), "--root", state().native()};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        return argv;
    }
    void write() const { write_text(config.dump()); }
    void write_text(const std::string& text) const {
        std::ofstream(directory() / "config.json") << text;
    }
    [[nodiscard]] Outcome run_written() const {
        const std::string name = id();
        Outcome outcome = run_program(command({"run", "-b", directory().native(), name}));
        static_cast<void>(run_program(command({"delete", "--force", name})));
        return outcome;
    }
    [[nodiscard]] Outcome run() const {
        write();
        return run_written();
    }
    /// What a probe sees in it; null when it could not be started.
    [[nodiscard]] nlohmann::json world() {
        process()["args"] = {"/probe"};
        const Outcome outcome = run();
        return nlohmann::json::parse(outcome.out, nullptr, false);
    }

    [[nodiscard]] static std::string id() {
        static int count = 0;
        return "conf-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    }
    [[nodiscard]] std::filesystem::path directory() const { return place_.path() / "bundle"; }
    [[nodiscard]] std::filesystem::path rootfs() const { return directory() / "rootfs"; }
    [[nodiscard]] std::filesystem::path state() const { return place_.path() / "state"; }
    /// A directory of the host beside the bundle, made when it is missing.
    [[nodiscard]] std::filesystem::path host(const std::string& name) const {
        const std::filesystem::path path = place_.path() / name;
        std::filesystem::create_directories(path);
        return path;
    }

    nlohmann::json config{};

  private:
    TempDir place_{"drydock-conformance"};
};

/// The runtime must refuse the bundle, in one line, without having run the command.
inline void check_refused(const ConformanceBundle& bundle) {
    const Outcome outcome = bundle.run();
    CHECK(outcome.status != 0);
    CHECK(outcome.out.empty());
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
}

}  // namespace drydock::testing
