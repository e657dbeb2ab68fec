#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "01-chroot/unique_fd.hpp"

namespace drydock::bench {

/// One command to be timed.
struct Row {
    std::string id{};
    std::vector<std::string> argv{};  ///< argv[0] is an absolute path
    std::vector<std::string> env{};   ///< all of it
    bool without_cgroup2 =
        false;  ///< in a mount namespace that has the v1 controllers only (old crun wants that)
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
    Sample time_once(const Row& row, Series& series) const;
    void try_once(const Row& row, Series& series) const;

    std::mt19937 random_{std::random_device()()};
    UniqueFd own_mounts_{};
    UniqueFd mounts_without_cgroup2_{};
};

}  // namespace drydock::bench
