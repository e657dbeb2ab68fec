#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "07-compose/engine/time_text.hpp"

namespace drydock {

enum class JobOutcome { Running, Done, Failed };

/// One piece of work that the engine was asked for.
struct JobRecord {
    std::string id{};        ///< 12 hexadecimal digits
    std::string kind{};      ///< "pull", "push", "build", "start"…
    std::string subject{};   ///< what of: an image's or a container's name
    std::string progress{};  ///< the last line it told
    JobOutcome outcome = JobOutcome::Running;
    std::string error{};
    Time began{};
    std::optional<Time> ended{};
};

class Jobs;

/// Owns a job while it is worked on. It has failed when it is destroyed without done().
class Job {
  public:
    Job(Jobs& jobs, std::string id) : jobs_(&jobs), id_(std::move(id)) {}
    ~Job();
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    Job(Job&&) = delete;
    Job& operator=(Job&&) = delete;

    [[nodiscard]] const std::string& id() const noexcept { return id_; }
    void progress(const std::string& line);
    void done();
    void failed(const std::string& why);

  private:
    void end(JobOutcome outcome, const std::string& error);
    Jobs* jobs_;
    std::string id_;
};

/// The jobs under way and the last hundred that ended. For any number of threads.
class Jobs {
  public:
    [[nodiscard]] std::unique_ptr<Job> begin(const std::string& kind, const std::string& subject);
    /// The oldest first.
    [[nodiscard]] std::vector<JobRecord> list() const;

  private:
    friend class Job;
    template <class Change>
    void change(const std::string& id, Change change_record);

    mutable std::mutex mutex_{};
    std::deque<JobRecord> records_{};
};

}  // namespace drydock
