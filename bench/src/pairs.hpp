#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"

namespace drydock::bench {

using Words = std::vector<std::string>;

/// What is timed: one command, several after each other, or many at once.
struct Row {
    std::string id{};
    Words argv{};               ///< argv[0] is an absolute path
    std::vector<Words> then{};  ///< commands that follow, and count
    int count = 1;              ///< how many times; "%n" in an argument is which
    int at_once = 1;
    Words env{};                  ///< all of it
    std::vector<Words> before{};  ///< once before all rounds, not timed: what the row needs
    std::vector<Words> after{};   ///< once after them
    bool without_cgroup2 =
        false;  ///< in a mount namespace that has the v1 controllers only (old crun wants that)
    int more_mounts = 0;  ///< in a mount namespace with that many mounts more than the host's
};

/// One run of it.
struct Sample {
    double wall = 0;  ///< µs from before posix_spawn to after wait4
    double cpu = 0;   ///< µs, user and system, of the command and what it waited for
};

struct Series {
    std::vector<Sample> samples{};  ///< one a round, the same rounds for every row
    std::int64_t peak_rss = 0;      ///< KiB, the largest process
    std::string failure{};          ///< why there are no samples
};

/// Runs every row once in each of `rounds` rounds, in a new random order each time, so that
/// whatever the machine does meanwhile meets all of them alike.
class Runner {
  public:
    Runner();
    /// @param idle before each run; 0 for back to back
    std::vector<Series> run(const std::vector<Row>& rows, int rounds,
                            std::chrono::milliseconds idle);

  private:
    void prepare(const Row& row, Series& series);
    /// @return the mount namespace of the row, or -1 for our own
    [[nodiscard]] int surroundings_of(const Row& row) const;
    Sample time_once(const Row& row, Series& series) const;

    std::mt19937 random_{std::random_device()()};
    UniqueFd own_mounts_{};
    UniqueFd mounts_without_cgroup2_{};
    std::map<int, UniqueFd> more_mounts_{};
};

}  // namespace drydock::bench
