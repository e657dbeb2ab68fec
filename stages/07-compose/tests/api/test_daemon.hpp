#pragma once

#include <fcntl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill(2)
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "api/unix_http.hpp"

namespace drydock::testing {

/// Polls until `is_so` gives true; false when it did not within ten seconds.
template <class Condition>
bool soon(Condition is_so) {
    using namespace std::chrono_literals;
    for (const auto deadline = std::chrono::steady_clock::now() + 10s;
         std::chrono::steady_clock::now() < deadline;) {
        if (is_so()) {
            return true;
        }
        std::this_thread::sleep_for(10ms);
    }
    return false;
}

/// A daemon with a data root and a socket of its own; ends, and its containers with it, when it
/// goes out of scope.
class TestDaemon {
  public:
    /// @param more arguments
    /// @param user whose daemon it is; 0: ours
    explicit TestDaemon(std::vector<std::string> more = {}, unsigned user = 0)
        : more_(std::move(more)), user_(user) {
        REQUIRE(::chown(directory_.path().c_str(), user_, user_) == 0);
        if (user_ != 0) {
            copy_programs();
        }
        start();
    }
    ~TestDaemon() {
        try {
            if (pid_ == 0) {
                start();
            }
            for (const auto& container : get("/containers/json?all=1").json()) {
                call("DELETE", "/containers/" + container["Id"].get<std::string>() + "?force=1");
            }
            end(SIGTERM);
        } catch (const std::exception& e) {
            fmt::print(stderr, "TestDaemon: {}\n", e.what());
        }
    }
    TestDaemon(const TestDaemon&) = delete;
    TestDaemon& operator=(const TestDaemon&) = delete;
    TestDaemon(TestDaemon&&) = delete;
    TestDaemon& operator=(TestDaemon&&) = delete;

    void start() {
        const std::string program =
            user_ != 0 ? programs() / "drydock-daemon" : program_path("drydock-daemon");
        const std::string data = data_root();
        const std::string run = directory_.path() / "run";
        std::vector<std::string> words = {program, "--data-root", data, "--run-root", run};
        words.insert(words.end(), more_.begin(), more_.end());
        if (user_ != 0) {
            const std::string id = std::to_string(user_);
            const std::vector<std::string> before = {"setpriv", "--reuid=" + id, "--regid=" + id,
                                                     "--clear-groups"};
            words.insert(words.begin(), before.begin(), before.end());
        }
        std::vector<char*> argv;
        for (std::string& word : words) {
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_addopen(&actions, 1, (directory_.path() / "out").c_str(),
                                           O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::posix_spawn_file_actions_addopen(&actions, 2, (directory_.path() / "err").c_str(),
                                           O_WRONLY | O_CREAT | O_APPEND, 0600);
        const int error =
            ::posix_spawnp(&pid_, argv.front(), &actions, nullptr, argv.data(), environ);
        ::posix_spawn_file_actions_destroy(&actions);
        REQUIRE(error == 0);
        REQUIRE(soon([&] {
            try {
                return get("/_ping").status == 200;
            } catch (const std::exception&) {
                return false;
            }
        }));
    }

    /// @return the exit status, 128 + n for a signal
    int end(int signal) {
        ::kill(pid_, signal);
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = 0;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }

    [[nodiscard]] std::filesystem::path socket() const {
        return directory_.path() / "run" / "drydock.sock";
    }
    [[nodiscard]] std::filesystem::path data_root() const { return directory_.path() / "data"; }
    [[nodiscard]] std::filesystem::path run_root() const { return directory_.path() / "run"; }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] std::string errors() const { return read_file(directory_.path() / "err"); }

    Reply call(const std::string& method, const std::string& target,
               const std::string& body = "") const {
        return HttpRequestUnderWay(socket(), method, target, body).finish();
    }
    [[nodiscard]] Reply get(const std::string& target) const { return call("GET", target); }

    /// Creates a container of the base image that runs a shell script. @return its ID
    [[nodiscard]] std::string create(const std::string& script, nlohmann::json body = {},
                                     const std::string& name = "") const {
        body["Image"] = "drydock/base";
        body["Cmd"] = {"sh", "-c", script};
        const Reply reply =
            call("POST", "/containers/create" + (name.empty() ? "" : "?name=" + name), body.dump());
        INFO(reply.body);
        REQUIRE(reply.status == 201);
        return reply.json()["Id"];
    }
    /// Creates and starts.
    [[nodiscard]] std::string run(const std::string& script, const nlohmann::json& body = {},
                                  const std::string& name = "") const {
        const std::string id = create(script, body, name);
        const Reply reply = call("POST", "/containers/" + id + "/start");
        INFO(reply.body);
        REQUIRE(reply.status == 204);
        return id;
    }
    [[nodiscard]] nlohmann::json state(const std::string& id) const {
        return get("/containers/" + id + "/json").json()["State"];
    }
    /// Waits for its end. @return its exit code
    [[nodiscard]] int wait(const std::string& id) const {
        return call("POST", "/containers/" + id + "/wait").json()["StatusCode"];
    }
    /// What it wrote, without Docker's frames.
    [[nodiscard]] std::string logs(const std::string& id,
                                   const std::string& query = "stdout=1&stderr=1") const {
        return unframed(get("/containers/" + id + "/logs?" + query).body);
    }

    static std::string unframed(const std::string& frames) {
        std::string text;
        for (std::size_t at = 0; at + 8 <= frames.size();) {
            std::size_t size = 0;
            for (std::size_t i = 4; i < 8; ++i) {
                size = size * 256 + static_cast<unsigned char>(frames[at + i]);
            }
            text += frames.substr(at + 8, size);
            at += 8 + size;
        }
        return text;
    }

  private:
    [[nodiscard]] std::filesystem::path programs() const { return directory_.path() / "bin"; }
    /// Where the user can reach them: the build may lie in a home that is closed to others.
    void copy_programs() const {
        std::filesystem::create_directory(programs());
        for (const std::string name : {"daemon", "shim", "runtime", "proxy", "names"}) {
            std::filesystem::copy(program_path("drydock-" + name),
                                  programs() / ("drydock-" + name));
        }
    }
    std::vector<std::string> more_{};
    unsigned user_ = 0;
    TempDir directory_{"drydock-daemon-"};
    pid_t pid_ = 0;
};

}  // namespace drydock::testing
