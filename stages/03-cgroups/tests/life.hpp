#pragma once

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "testing/catch.hpp"

#include "bundle_fixture.hpp"

namespace drydock::testing {

/// As run_program(), but what it leaves running may keep its outputs: they are files.
inline Outcome run_to_files(const std::vector<std::string>& argv, const std::string& env = {}) {
    const TempDir directory("output");
    Child child = clone_child(0);
    if (!child) {
        const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        constexpr int kFlags = O_WRONLY | O_CREAT | O_CLOEXEC;
        const int out = ::open((directory.path() / "out").c_str(), kFlags, 0600);
        const int err = ::open((directory.path() / "err").c_str(), kFlags, 0600);
        ::dup2(in, 0);
        ::dup2(out, 1);
        ::dup2(err, 2);
        if (!env.empty()) {
            ::putenv(const_cast<char*>(env.c_str()));
        }
        become_program(argv);
    }
    const int status = child.wait();
    return {.status = status,
            .out = read_file(directory.path() / "out"),
            .err = read_file(directory.path() / "err")};
}

/// Runs operations on one container and removes it at the end. Its first process becomes our child,
/// as it becomes the shim's with an engine.
class Life {
  public:
    explicit Life(const SpecParts& parts) : fixture_(parts) {
        static int count = 0;
        id_ = "life-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    }
    ~Life() {
        run_program(fixture_.runtime({"delete", "--force", id_}));
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    }
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;
    Life(Life&&) = delete;
    Life& operator=(Life&&) = delete;

    [[nodiscard]] const std::string& id() const { return id_; }
    [[nodiscard]] const BundleFixture& fixture() const { return fixture_; }
    [[nodiscard]] std::filesystem::path file(const std::string& name) const {
        return fixture_.bundle() / name;
    }

    /// drydock-runtime --root ROOT VERB [MORE…] ID
    Outcome operator()(const std::string& verb, const std::vector<std::string>& more = {}) const {
        std::vector<std::string> arguments = {verb};
        arguments.insert(arguments.end(), more.begin(), more.end());
        arguments.push_back(id_);
        return run_to_files(fixture_.runtime(arguments));
    }
    /// The same with what follows the ID.
    Outcome with(const std::vector<std::string>& before,
                 const std::vector<std::string>& after) const {
        std::vector<std::string> arguments = before;
        arguments.push_back(id_);
        arguments.insert(arguments.end(), after.begin(), after.end());
        return run_to_files(fixture_.runtime(arguments));
    }
    Outcome create(const std::vector<std::string>& more = {}) const {
        std::vector<std::string> flags = {"-b", fixture_.bundle().native()};
        flags.insert(flags.end(), more.begin(), more.end());
        return (*this)("create", flags);
    }
    Outcome exec(const std::vector<std::string>& command,
                 const std::vector<std::string>& flags = {}) const {
        std::vector<std::string> before = {"exec"};
        before.insert(before.end(), flags.begin(), flags.end());
        return with(before, command);
    }
    [[nodiscard]] nlohmann::json state() const {
        const Outcome outcome = (*this)("state");
        return outcome.status == 0 ? nlohmann::json::parse(outcome.out) : nlohmann::json();
    }
    [[nodiscard]] std::string status() const {
        const nlohmann::json now = state();
        return now.is_null() ? "" : now.at("status").get<std::string>();
    }
    /// Makes it run, and says so when it does not.
    void up() const {
        const Outcome created = create();
        INFO(created.err);
        REQUIRE(created.status == 0);
        const Outcome started = (*this)("start");
        INFO(started.err);
        REQUIRE(started.status == 0);
    }

  private:
    BundleFixture fixture_;
    std::string id_;
};

inline SpecParts sleeping() {
    return {.args = shell("sleep 1000"), .terminal = "false"};
}

inline SpecParts script(const std::string& text) {
    return {.args = shell(text), .terminal = "false"};
}

}  // namespace drydock::testing
