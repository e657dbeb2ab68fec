// What a container's terminal is told about its window: at the start, and when it changes.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/unique_fd.hpp"

#include "testing/catch.hpp"

#include "life.hpp"

using drydock::check;
using drydock::Child;
using drydock::UniqueFd;
using nlohmann::json;
using namespace drydock::testing;

namespace {

/// A terminal that stands for the user's.
struct Window {
    UniqueFd master{};
    UniqueFd peer{};
    Window() {
        master = UniqueFd(check(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt()"));
        check(::unlockpt(master.get()), "unlockpt()");
        peer = UniqueFd(check(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC),
                              "ioctl(TIOCGPTPEER)"));
        check(::fcntl(master.get(), F_SETFL, O_NONBLOCK), "fcntl(O_NONBLOCK)");
    }
    void resize(unsigned short rows, unsigned short columns) const {
        const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
        check(::ioctl(master.get(), TIOCSWINSZ, &size), "ioctl(TIOCSWINSZ)");
    }
    /// Whether `text` appears in it.
    bool shows(const std::string& text) {
        return becomes_true([&] {
            std::array<char, 512> buffer{};
            const ssize_t n = ::read(master.get(), buffer.data(), buffer.size());
            seen.append(buffer.data(), static_cast<std::size_t>(n > 0 ? n : 0));
            return seen.find(text) != std::string::npos;
        });
    }
    /// The program with the window as its terminal, in a session of its own.
    [[nodiscard]] Child start(const std::vector<std::string>& argv) const {
        Child child = drydock::clone_child(0);
        if (!child) {
            ::setsid();
            ::ioctl(peer.get(), TIOCSCTTY, 0);
            for (const int fd : {0, 1, 2}) {
                ::dup2(peer.get(), fd);
            }
            become_program(argv);
        }
        return child;
    }

    std::string seen{};
};

}  // namespace

TEST_CASE("config.md, Process: consoleSize is the size of the terminal", "[03][terminal]") {
    const Life life({.args = shell("busybox stty size")});
    json config = json::parse(drydock::read_file(life.file("config.json")));
    config["process"]["consoleSize"] = {{"height", 33}, {"width", 101}};
    life.fixture().write(config.dump());
    CHECK(life.fixture().run(life.id()).out == "33 101\r\n");
}

TEST_CASE("terminal: the window's size is the container's, and follows when it changes",
          "[03][terminal]") {
    const Life life({.args = shell("busybox stty size; until busybox stty size | grep -q '^50 '; "
                                   "do busybox usleep 10000; done; busybox stty size")});
    Window window;
    window.resize(40, 90);
    const std::string id = life.id() + "-run";
    Child runtime =
        window.start(life.fixture().runtime({"run", "-b", life.fixture().bundle().native(), id}));
    const bool began = window.shows("40 90\r\n");
    INFO(window.seen);
    CHECK(began);
    window.resize(50, 120);  // the kernel sends SIGWINCH to who is in front of it
    CHECK(window.shows("50 120\r\n"));
    CHECK(runtime.wait() == 0);
}

TEST_CASE("terminal: what is typed and not taken holds nothing else up", "[03][terminal]") {
    const Life life({.args = shell("echo ready; until busybox stty size | grep -q '^50 '; "
                                   "do busybox usleep 10000; done; echo resized")});
    Window window;
    window.resize(40, 90);
    const std::string id = life.id() + "-run";
    Child runtime =
        window.start(life.fixture().runtime({"run", "-b", life.fixture().bundle().native(), id}));
    CHECK(window.shows("ready\r\n"));
    const std::string typed(100, '\n');
    pollfd full{.fd = window.master.get(), .events = POLLOUT, .revents = 0};
    constexpr int kTakenNoMoreMs = 200;
    while (::poll(&full, 1, kTakenNoMoreMs) == 1 &&
           ::write(window.master.get(), typed.data(), typed.size()) > 0) {
    }
    window.resize(50, 120);
    CHECK(window.shows("resized\r\n"));
    CHECK(runtime.wait() == 0);
}
