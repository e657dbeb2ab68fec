#include "build_run.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <future>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/unique_fd.hpp"
#include "03-cgroups/runtime_process.hpp"
#include "03-cgroups/state.hpp"

namespace drydock {
namespace {

constexpr int kTickMilliseconds = 100;  // how often a cancel is looked for

/// Best effort: before it has started there is nothing to kill, and the next tick comes.
void kill_container(const std::filesystem::path& runtime_root, const std::string& id) {
    try {
        const ProcessIdentity init = load_state(runtime_root, id).init;
        if (init.pid > 0 && alive(init)) {
            static_cast<void>(::kill(init.pid, SIGKILL));
        }
    } catch (const InputError&) {
        return;
    }
}

/// Reads until nobody has the other end any more.
void pump(int from, const std::function<void(std::string_view)>& output,
          const std::function<void()>& tick) {
    std::array<char, 16384> buffer{};
    pollfd ready{.fd = from, .events = POLLIN, .revents = 0};
    while (true) {
        const int n = ::poll(&ready, 1, kTickMilliseconds);
        if (n == -1 && errno != EINTR) {
            check(n, "poll()");
        }
        tick();
        if (n <= 0) {
            continue;
        }
        const ssize_t bytes = check(::read(from, buffer.data(), buffer.size()), "read(output)");
        if (bytes == 0) {
            return;
        }
        output({buffer.data(), static_cast<std::size_t>(bytes)});
    }
}

}  // namespace

int run_with_output(const std::filesystem::path& bundle, const std::string& id,
                    const std::filesystem::path& runtime_root,
                    const std::function<void(std::string_view)>& output,
                    const std::function<bool()>& cancelled) {
    Pipe pipe = make_pipe();
    std::future<int> status =
        std::async(std::launch::async, [&, write = std::move(pipe.write)]() mutable {
            const UniqueFd end =
                std::move(write);  // closed when the runtime has ended: then pump() sees the end
            return run_bundle({.bundle = bundle,
                               .id = id,
                               .runtime_root = runtime_root,
                               .stdout_fd = end.get(),
                               .stderr_fd = end.get()});
        });
    pump(pipe.read.get(), output, [&] {
        if (cancelled && cancelled()) {
            kill_container(runtime_root, id);
        }
    });
    return status.get();
}

}  // namespace drydock
