#include "pairs.hpp"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <thread>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"

namespace drydock::bench {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const std::string& s : strings) {
        result.push_back(const_cast<char*>(s.c_str()));
    }
    result.push_back(nullptr);
    return result;
}

/// Starts the row's command. @param errors the descriptor that becomes its standard error
pid_t spawn(const Row& row, int errors) {
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, errors, 2);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, row.argv.front().c_str(), &actions, nullptr,
                                    pointers(row.argv).data(), pointers(row.env).data());
    ::posix_spawn_file_actions_destroy(&actions);
    errno = error;
    check(error == 0 ? 0 : -1, "posix_spawn({})", row.argv.front());
    return pid;
}

double microseconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
}

/// A mount namespace in which no cgroup2 tree is mounted; it lives as long as its descriptor.
UniqueFd namespace_without_cgroup2() {
    Pipe ready = make_pipe();
    Child child = clone_child(CLONE_NEWNS);
    if (!child) {
        static_cast<void>(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
        static_cast<void>(::umount2("/sys/fs/cgroup/unified", MNT_DETACH));
        static_cast<void>(::write(ready.write.get(), "x", 1) + ::pause());
        ::_exit(0);
    }
    char byte = 0;
    check(::read(ready.read.get(), &byte, 1), "read(child)");
    return open_file(fmt::format("/proc/{}/ns/mnt", child.pid()), O_RDONLY);
}

/// Enters the row's mount namespace for as long as it lives.
class Surroundings {
  public:
    Surroundings(int wanted, int own) : own_(wanted >= 0 ? own : -1) {
        if (wanted >= 0) {
            check(::setns(wanted, CLONE_NEWNS), "setns(CLONE_NEWNS)");
        }
    }
    ~Surroundings() {
        if (own_ >= 0) {
            static_cast<void>(::setns(own_, CLONE_NEWNS));
        }
    }
    Surroundings(const Surroundings&) = delete;
    Surroundings& operator=(const Surroundings&) = delete;
    Surroundings(Surroundings&&) = delete;
    Surroundings& operator=(Surroundings&&) = delete;

  private:
    int own_;
};

}  // namespace

Runner::Runner() {
    if (::geteuid() == 0) {
        own_mounts_ = open_file("/proc/self/ns/mnt", O_RDONLY);
        mounts_without_cgroup2_ = namespace_without_cgroup2();
    }
}

Sample Runner::time_once(const Row& row, Series& series) const {
    const Surroundings here(row.without_cgroup2 ? mounts_without_cgroup2_.get() : -1,
                            own_mounts_.get());
    const UniqueFd null = open_file("/dev/null", O_WRONLY);
    int status = 0;
    rusage used{};
    const auto begin = std::chrono::steady_clock::now();
    const pid_t pid = spawn(row, null.get());
    check(::wait4(pid, &status, 0, &used), "wait4({})", pid);
    const std::chrono::duration<double, std::micro> wall = std::chrono::steady_clock::now() - begin;
    if (status != 0) {
        series.failure =
            fmt::format("ended with wait status {:#x} in the middle of the rounds", status);
    }
    series.peak_rss = std::max(series.peak_rss, std::int64_t{used.ru_maxrss});
    return {.wall = wall.count(), .cpu = microseconds(used.ru_utime) + microseconds(used.ru_stime)};
}

void Runner::try_once(const Row& row, Series& series) const {
    const Surroundings here(row.without_cgroup2 ? mounts_without_cgroup2_.get() : -1,
                            own_mounts_.get());
    const UniqueFd errors(check(::memfd_create("errors", MFD_CLOEXEC), "memfd_create()"));
    try {
        int status = 0;
        const pid_t pid = spawn(row, errors.get());
        check(::wait4(pid, &status, 0, nullptr), "wait4({})", pid);
        if (status != 0) {
            check(::lseek(errors.get(), 0, SEEK_SET), "lseek()");
            std::string text = read_all(errors.get(), std::size_t{1} << 20U, "standard error");
            while (text.ends_with('\n')) {
                text.pop_back();
            }
            series.failure = text.empty() ? fmt::format("wait status {:#x}", status)
                                          : text.substr(text.rfind('\n') + 1);
        }
    } catch (const std::exception& e) {
        series.failure = e.what();
    }
}

std::vector<Series> Runner::run(const std::vector<Row>& rows, int rounds,
                                std::chrono::milliseconds idle) {
    std::vector<Series> series(rows.size());
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        try_once(rows[i], series[i]);  // also warms the caches
        if (series[i].failure.empty()) {
            order.push_back(i);
        }
    }
    for (int round = 0; round < rounds; ++round) {
        std::ranges::shuffle(order, random_);
        for (const std::size_t i : order) {
            std::this_thread::sleep_for(idle);
            series[i].samples.push_back(time_once(rows[i], series[i]));
        }
    }
    return series;
}

}  // namespace drydock::bench
