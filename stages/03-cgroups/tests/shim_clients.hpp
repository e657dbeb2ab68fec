#pragma once

// What tests of a shim's clients share.
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <string>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/log_file.hpp"
#include "03-cgroups/shim_client.hpp"
#include "03-cgroups/shim_process.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "bundle_fixture.hpp"

namespace drydock::testing {

inline SpecParts command(const std::string& script) {
    return {.args = shell(script), .terminal = "false"};
}

struct SocketPair {
    UniqueFd ours{};
    UniqueFd theirs{};
};
inline SocketPair socket_pair() {
    std::array<int, 2> pair{};
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), "socketpair()");
    return {UniqueFd(pair[0]), UniqueFd(pair[1])};
}

/// Reads until the other end is closed.
inline std::string all_of(const UniqueFd& socket) {
    return read_all(socket.get(), std::size_t{64} << 20U, "socket");
}

/// Reads until what was read has `text` in it. Fails after 20 s.
inline std::string until(const UniqueFd& socket, const std::string& text) {
    std::string got;
    while (got.find(text) == std::string::npos) {
        pollfd event{.fd = socket.get(), .events = POLLIN, .revents = 0};
        constexpr int kDeadlineMs = 20000;
        REQUIRE(::poll(&event, 1, kDeadlineMs) == 1);
        std::array<char, 4096> buffer{};
        const ssize_t n = ::read(socket.get(), buffer.data(), buffer.size());
        REQUIRE(n > 0);
        got.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return got;
}

inline void say(const UniqueFd& socket, const std::string& text) {
    write_all(socket.get(), text, "socket");
}

struct AttachFixture : BundleFixture {
    explicit AttachFixture(const SpecParts& parts) : BundleFixture(parts) {
        ::setenv("DRYDOCK_PROGRAMS", program_path("drydock-shim").parent_path().c_str(), 1);
        static int count = 0;
        id = "attach-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
        request.bundle = bundle();
        request.id = id;
        request.runtime_root = root();
        request.log_file = log();
    }
    [[nodiscard]] std::filesystem::path log() const { return bundle() / "log"; }
    StartedContainer start() { return start_shim(std::move(request)); }
    /// All that was logged, of all files of the log, but for a line that is still being written.
    [[nodiscard]] std::string logged() const {
        std::string text;
        for (unsigned age = 100; age-- > 0;) {
            if (!std::filesystem::exists(rotated_name(log(), age))) {
                continue;
            }
            std::istringstream lines(read_file(rotated_name(log(), age), std::size_t{512} << 20U));
            for (std::string line; std::getline(lines, line) && !lines.eof();) {
                text += nlohmann::json::parse(line).at("log").get<std::string>();
            }
        }
        return text;
    }

    std::string id{};
    ShimRequest request{};
};

inline bool ends(const UniqueFd& pidfd, int deadline_ms = 20000) {
    pollfd event{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    return ::poll(&event, 1, deadline_ms) == 1;
}

/// Waits for the shim and reaps it. @return the container's exit status
inline int finished(const AttachFixture& fixture, const StartedContainer& started) {
    REQUIRE(ends(started.shim_pidfd));
    siginfo_t ended{};
    ::waitid(P_PIDFD, static_cast<id_t>(started.shim_pidfd.get()), &ended, WEXITED);
    const auto record = read_exit_record(fixture.bundle());
    REQUIRE(record);
    return record->exit_status;
}

inline void kill_it(const StartedContainer& started) {
    REQUIRE(::syscall(SYS_pidfd_send_signal, started.pidfd.get(), SIGKILL, nullptr, 0) == 0);
}

inline pid_t pid_of(const UniqueFd& pidfd) {
    std::istringstream lines(read_file("/proc/self/fdinfo/" + std::to_string(pidfd.get())));
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("Pid:")) {
            return std::stoi(line.substr(4));
        }
    }
    return -1;
}

/// A field of /proc/PID/smaps_rollup, in KiB.
inline long memory_of(const UniqueFd& pidfd, const std::string& field) {
    std::istringstream lines(read_file("/proc/" + std::to_string(pid_of(pidfd)) + "/smaps_rollup"));
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(field + ":")) {
            return std::stol(line.substr(field.size() + 1));
        }
    }
    return -1;
}

inline std::size_t descriptors_of(const UniqueFd& pidfd) {
    const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid_of(pidfd)) + "/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace drydock::testing
