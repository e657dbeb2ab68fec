#include "pairs.hpp"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <thread>

#include "01-chroot/check.hpp"
#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "01-chroot/file.hpp"

namespace drydock::bench {
namespace {

std::vector<char*> pointers(const Words& strings) {
    std::vector<char*> result;
    for (const std::string& s : strings) {
        result.push_back(const_cast<char*>(s.c_str()));
    }
    result.push_back(nullptr);
    return result;
}

/// Starts a command. @param errors the descriptor that becomes its standard error
pid_t spawn(const Words& argv, const Words& env, int errors) {
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, errors, 2);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, argv.front().c_str(), &actions, nullptr,
                                    pointers(argv).data(), pointers(env).data());
    ::posix_spawn_file_actions_destroy(&actions);
    errno = error;
    check(error == 0 ? 0 : -1, "posix_spawn({})", argv.front());
    return pid;
}

Words numbered(Words argv, int number) {
    for (std::string& word : argv) {
        if (const auto at = word.find("%n"); at != std::string::npos) {
            word.replace(at, 2, std::to_string(number));
        }
    }
    return argv;
}

/// What became of a row's processes.
struct Finished {
    int status = 0;  ///< of the last one that failed
    rusage used{};   ///< added up; the largest ru_maxrss
};

void reap(pid_t pid, Finished& finished) {
    int status = 0;
    rusage used{};
    check(::wait4(pid, &status, 0, &used), "wait4({})", pid);
    finished.status = status != 0 ? status : finished.status;
    timeradd(&finished.used.ru_utime, &used.ru_utime, &finished.used.ru_utime);
    timeradd(&finished.used.ru_stime, &used.ru_stime, &finished.used.ru_stime);
    finished.used.ru_maxrss = std::max(finished.used.ru_maxrss, used.ru_maxrss);
}

Finished run_all_of(const Row& row, int errors) {
    Finished finished;
    int running = 0;
    for (int number = 0; number < row.count; ++number) {
        const pid_t pid = spawn(numbered(row.argv, number), row.env, errors);
        if (row.at_once == 1) {
            reap(pid, finished);
        } else if (++running == row.at_once) {
            reap(-1, finished);
            --running;
        }
    }
    for (; running > 0; --running) {
        reap(-1, finished);
    }
    for (const Words& argv : row.then) {
        reap(spawn(argv, row.env, errors), finished);
    }
    return finished;
}

double microseconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
}

/// A mount namespace with a copy of our mounts, changed by `change`. It lives as long as its
/// descriptor.
template <class Change>
UniqueFd changed_mounts(const Change& change) {
    Pipe ready = make_pipe();
    Child child = clone_child(CLONE_NEWNS);
    if (!child) {
        static_cast<void>(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
        const char done = change() ? 'y' : 'n';
        static_cast<void>(::write(ready.write.get(), &done, 1) + ::pause());
        ::_exit(0);
    }
    char done = 0;
    check(::read(ready.read.get(), &done, 1), "read(child)");
    if (done != 'y') {
        throw InputError("a mount namespace for a row cannot be made");
    }
    return open_file(fmt::format("/proc/{}/ns/mnt", child.pid()), O_RDONLY);
}

UniqueFd namespace_without_cgroup2() {
    return changed_mounts([] {
        static_cast<void>(::umount2("/sys/fs/cgroup/unified", MNT_DETACH));
        return true;
    });
}

UniqueFd namespace_with_more_mounts(int count) {
    return changed_mounts([count] {
        bool done = ::mount("tmpfs", "/mnt", "tmpfs", 0, nullptr) == 0;
        for (int i = 0; done && i < count - 1; ++i) {
            const std::string directory = fmt::format("/mnt/{}", i);
            done = ::mkdir(directory.c_str(), 0700) == 0 &&
                   ::mount(directory.c_str(), directory.c_str(), nullptr, MS_BIND, nullptr) == 0;
        }
        return done;
    });
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

int Runner::surroundings_of(const Row& row) const {
    if (row.without_cgroup2) {
        return mounts_without_cgroup2_.get();
    }
    const auto more = more_mounts_.find(row.more_mounts);
    return more == more_mounts_.end() ? -1 : more->second.get();
}

Sample Runner::time_once(const Row& row, Series& series) const {
    const Surroundings here(surroundings_of(row), own_mounts_.get());
    const UniqueFd null = open_file("/dev/null", O_WRONLY);
    const auto begin = std::chrono::steady_clock::now();
    const Finished finished = run_all_of(row, null.get());
    const std::chrono::duration<double, std::micro> wall = std::chrono::steady_clock::now() - begin;
    if (finished.status != 0) {
        series.failure = fmt::format("ended with wait status {:#x} in the middle of the rounds",
                                     finished.status);
    }
    series.peak_rss = std::max(series.peak_rss, std::int64_t{finished.used.ru_maxrss});
    return {.wall = wall.count(),
            .cpu = microseconds(finished.used.ru_utime) + microseconds(finished.used.ru_stime)};
}

/// What `before` asks for, then the row once, which also warms the caches.
void Runner::prepare(const Row& row, Series& series) {
    const UniqueFd errors(check(::memfd_create("errors", MFD_CLOEXEC), "memfd_create()"));
    try {
        if (row.more_mounts > 0 && !more_mounts_.contains(row.more_mounts)) {
            more_mounts_[row.more_mounts] = namespace_with_more_mounts(row.more_mounts);
        }
        const Surroundings here(surroundings_of(row), own_mounts_.get());
        Finished finished;
        for (const Words& argv : row.before) {
            reap(spawn(argv, row.env, errors.get()), finished);
        }
        const int status =
            finished.status != 0 ? finished.status : run_all_of(row, errors.get()).status;
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
        prepare(rows[i], series[i]);
        if (series[i].failure.empty()) {
            order.push_back(i);
        }
    }
    for (int round = 0; round < rounds; ++round) {
        std::ranges::shuffle(order, random_);
        for (const std::size_t i : order) {
            // The machine at rest is part of what is measured.
            std::this_thread::sleep_for(idle);
            series[i].samples.push_back(time_once(rows[i], series[i]));
        }
    }
    for (const Row& row : rows) {
        const Surroundings here(surroundings_of(row), own_mounts_.get());
        const UniqueFd null = open_file("/dev/null", O_WRONLY);
        Finished ignored;
        for (const Words& argv : row.after) {
            reap(spawn(argv, row.env, null.get()), ignored);
        }
    }
    return series;
}

}  // namespace drydock::bench
