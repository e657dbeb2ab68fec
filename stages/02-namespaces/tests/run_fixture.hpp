#pragma once

// drydock-02 with a root to run it on, and what tests of it ask the host.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "02-namespaces/id_map.hpp"
#include "02-namespaces/join.hpp"

#include "testing/catch.hpp"
#include "testing/in_child.hpp"
#include "testing/program.hpp"

namespace drydock::testing {

using Words = std::vector<std::string>;

inline constexpr unsigned kNobody = 65534;

/// A root with busybox and the probe, and the program beside it, where any user may read and run
/// them.
struct Fixture {
    TempDir dir{"drydock-test"};
    std::filesystem::path root = dir.path() / "root";
    std::filesystem::path program = dir.path() / "drydock-02";
    Fixture() {
        std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
        std::filesystem::create_directory(root);
        make_test_rootfs(root);
        std::filesystem::copy_file(program_path("drydock-02"), program);
    }
    /// Gives the root to nobody, who will make mount points in it.
    void give_to_nobody() const {
        check(::chown(root.c_str(), kNobody, kNobody), "chown(root)");
        for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
            check(::lchown(entry.path().c_str(), kNobody, kNobody), "chown({})",
                  entry.path().native());
        }
    }
    /// drydock-02 run [flags] ROOTFS command
    [[nodiscard]] Words command(const Words& command, const Words& flags = {}) const {
        Words argv{program.native(), "run"};
        argv.insert(argv.end(), flags.begin(), flags.end());
        argv.push_back(root.native());
        argv.insert(argv.end(), command.begin(), command.end());
        return argv;
    }
    [[nodiscard]] Outcome run(const Words& words, const Words& flags = {},
                              const Words& env = {}) const {
        return run_program(command(words, flags), env);
    }
    [[nodiscard]] Outcome run_as_nobody(const Words& words, const Words& flags = {}) const {
        Words argv{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
        const Words rest = command(words, flags);
        argv.insert(argv.end(), rest.begin(), rest.end());
        return run_program(argv);
    }
};

inline nlohmann::json world(const Outcome& outcome) {
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    return nlohmann::json::parse(outcome.out);
}

inline ino_t own_namespace(const std::string& name) {
    struct stat status{};
    ::stat(("/proc/self/ns/" + name).c_str(), &status);
    return status.st_ino;
}

/// The mount points of a mountinfo, sorted.
inline std::set<std::string> mount_points(const nlohmann::json& lines) {
    std::set<std::string> points;
    for (const nlohmann::json& line : lines) {
        std::istringstream in(line.get<std::string>());
        std::string word;
        for (int i = 0; i < 5; ++i) {
            in >> word;
        }
        points.insert(word);
    }
    return points;
}

inline std::string mountinfo() {
    return read_file("/proc/self/mountinfo");
}

/// Processes that have `text` in their command line.
inline int processes_with(const std::string& text) {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::string line;
        try {
            line = read_file(entry.path() / "cmdline");
        } catch (const std::system_error&) {
            continue;  // no process, or one that has ended meanwhile
        }
        count += line.find(text) != std::string::npos ? 1 : 0;
    }
    return count;
}

inline bool soon(const std::function<bool()>& condition) {
    using namespace std::chrono_literals;
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (std::chrono::steady_clock::now() < deadline) {
        if (condition()) {
            return true;
        }
        // Between two looks: nothing tells when it comes true.
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

/// A container that runs beside the test, its standard output in a pipe.
struct Background {
    Pipe out = make_pipe();
    Child child{};
    explicit Background(const Words& argv) {
        child = clone_child(0);
        if (!child) {
            ::signal(SIGTERM, SIG_DFL);  // the test runner's own
            ::signal(SIGINT, SIG_DFL);
            ::dup2(out.write.get(), 1);
            std::vector<char*> pointers;
            for (const std::string& word : argv) {
                pointers.push_back(const_cast<char*>(word.c_str()));
            }
            pointers.push_back(nullptr);
            ::execv(pointers[0], pointers.data());
            ::_exit(127);
        }
        out.write.close();
    }
    void await_output() const {
        char first = 0;
        REQUIRE(::read(out.read.get(), &first, 1) == 1);
    }
};

}  // namespace drydock::testing
