#include "07-compose/engine/jobs.hpp"

#include <algorithm>
#include <utility>

#include "05-images/runtime_config.hpp"

namespace drydock {
namespace {

constexpr std::size_t kEndedJobsKept = 100;

}  // namespace

template <class Change>
void Jobs::change(const std::string& id, Change change_record) {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(records_, id, &JobRecord::id);
    if (found != records_.end()) {
        change_record(*found);
    }
}

std::unique_ptr<Job> Jobs::begin(const std::string& kind, const std::string& subject) {
    JobRecord record{
        .id = new_container_id().substr(0, 12), .kind = kind, .subject = subject, .began = now()};
    const std::lock_guard lock(mutex_);
    const auto ended = [](const JobRecord& job) { return job.outcome != JobOutcome::Running; };
    if (static_cast<std::size_t>(std::ranges::count_if(records_, ended)) > kEndedJobsKept) {
        records_.erase(std::ranges::find_if(records_, ended));
    }
    records_.push_back(record);
    return std::make_unique<Job>(*this, record.id);
}

std::vector<JobRecord> Jobs::list() const {
    const std::lock_guard lock(mutex_);
    return {records_.begin(), records_.end()};
}

Job::~Job() {
    end(JobOutcome::Failed, "it was broken off");
}

void Job::progress(const std::string& line) {
    jobs_->change(id_, [&](JobRecord& record) { record.progress = line; });
}

void Job::done() {
    end(JobOutcome::Done, "");
}
void Job::failed(const std::string& why) {
    end(JobOutcome::Failed, why);
}

void Job::end(JobOutcome outcome, const std::string& error) {
    jobs_->change(id_, [&](JobRecord& record) {
        if (record.outcome == JobOutcome::Running) {
            record.outcome = outcome;
            record.error = error;
            record.ended = now();
        }
    });
}

}  // namespace drydock
