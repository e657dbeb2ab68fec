#include "build_graph.hpp"

#include <algorithm>

namespace drydock {

// [region: build-graph]
void BuildGraph::begin(std::size_t stage) {
    const std::lock_guard lock(mutex_);
    stages_.resize(std::max(stages_.size(), stage + 1));
    if (!stages_[stage].run.valid()) {
        stages_[stage].run = std::async(std::launch::async, [this, stage] { run(stage); }).share();
    }
}

void BuildGraph::run(std::size_t stage) {
    try {
        build_(stage);
    } catch (...) {
        const std::lock_guard lock(mutex_);
        stages_[stage].error = std::current_exception();
        failed_ = true;
    }
}
// [/region]

bool BuildGraph::has_begun(std::size_t stage) const {
    const std::lock_guard lock(mutex_);
    return stage < stages_.size() && stages_[stage].run.valid();
}

void BuildGraph::wait_for(std::size_t stage) const {
    std::shared_future<void> run;
    {
        const std::lock_guard lock(mutex_);
        run = stages_.at(stage).run;
    }
    run.wait();
    const std::lock_guard lock(mutex_);
    if (stages_[stage].error) {
        throw StageAbandoned();
    }
}

void BuildGraph::finish() {
    // A stage that is begun later is waited for by the one that began it.
    std::size_t count = 0;
    {
        const std::lock_guard lock(mutex_);
        count = stages_.size();
    }
    for (std::size_t stage = 0; stage < count; ++stage) {
        if (has_begun(stage)) {
            try {
                wait_for(stage);
            } catch (const StageAbandoned&) {  // NOLINT(bugprone-empty-catch): reasons follow
            }
        }
    }
    std::exception_ptr last;
    const std::lock_guard lock(mutex_);
    for (const Stage& stage : stages_) {
        if (stage.error) {
            try {
                std::rethrow_exception(stage.error);
            } catch (const StageAbandoned&) {
                last = stage.error;
            }
        }
    }
    if (last) {
        std::rethrow_exception(last);
    }
}

StepsUnderWay::Claim StepsUnderWay::claim(const Digest& key) {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return !keys_.contains(key); });
    keys_.insert(key);
    return {*this, key};
}

void StepsUnderWay::done(const Digest& key) {
    const std::lock_guard lock(mutex_);
    keys_.erase(key);
    ended_.notify_all();
}

}  // namespace drydock
