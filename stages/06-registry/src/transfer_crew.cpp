#include "transfer_crew.hpp"

#include <csignal>
#include <utility>

namespace drydock {
namespace {

constexpr auto kBytesEvery = std::chrono::milliseconds(100);
/// Whoever listens can then end a transfer that stands still.
constexpr auto kRepeatAfter = std::chrono::seconds(1);

/// While it lives, threads that are started get no signals: Ctrl-C is a matter of the thread that
/// can answer it, and a broken pipe comes as an error.
class WithoutSignals {
  public:
    WithoutSignals() {
        sigset_t all{};
        ::sigfillset(&all);
        static_cast<void>(::pthread_sigmask(SIG_SETMASK, &all, &before_));
    }
    ~WithoutSignals() { static_cast<void>(::pthread_sigmask(SIG_SETMASK, &before_, nullptr)); }
    WithoutSignals(const WithoutSignals&) = delete;
    WithoutSignals& operator=(const WithoutSignals&) = delete;
    WithoutSignals(WithoutSignals&&) = delete;
    WithoutSignals& operator=(WithoutSignals&&) = delete;

  private:
    sigset_t before_{};
};

}  // namespace

TransferCrew::~TransferCrew() {
    stop(nullptr);
    join();
}

void TransferCrew::start(std::function<void()> work) {
    const WithoutSignals without_signals;
    change([&] { ++running_; });
    try {
        threads_.emplace_back([this, work = std::move(work)] { work_off(work); });
    } catch (...) {  // no more threads: those that run use what the caller is about to destroy
        change([&] { --running_; });
        stop(std::current_exception());
        join();
        throw;
    }
}

void TransferCrew::work_off(const std::function<void()>& work) {
    try {
        work();
    } catch (const TransferStopped&) {  // NOLINT(bugprone-empty-catch): who failed has said why
    } catch (...) {
        stop(std::current_exception());
    }
    change([&] { --running_; });
}

void TransferCrew::stop(std::exception_ptr why) {
    change([&] {
        stopped_ = true;
        if (!failure_) {
            failure_ = std::move(why);
        }
    });
}

void TransferCrew::join() {
    for (std::thread& thread : threads_) {
        thread.join();
    }
    threads_.clear();
}

// [region: transfer-crew]
void TransferCrew::wait() {
    {
        Lock lock(mutex_);
        while (running_ != 0 || !lines_.empty()) {
            // The clock of the wall, because ThreadSanitizer knows only that wait; who changes it
            // changes when a bar is drawn.
            changed_.wait_until(lock, std::chrono::system_clock::now() + kBytesEvery,
                                [&] { return running_ == 0 || !lines_.empty(); });
            pass_on(lock);
        }
    }
    join();
    if (failure_) {
        std::rethrow_exception(std::exchange(failure_, {}));
    }
}
// [/region]

/// What is to be passed on by now. To be called with the lock.
std::deque<Progress> TransferCrew::take_due() {
    std::deque<Progress> due = std::exchange(lines_, {});
    const auto now = std::chrono::steady_clock::now();
    if (!bytes_.empty() && now - last_ >= kBytesEvery) {
        for (auto& [id, progress] : std::exchange(bytes_, {})) {
            last_bytes_ = progress;
            due.push_back(std::move(progress));
        }
    } else if (due.empty() && last_bytes_.total != 0 && now - last_ >= kRepeatAfter) {
        due.push_back(last_bytes_);
    }
    if (!due.empty()) {
        last_ = now;
    }
    return due;
}

void TransferCrew::pass_on(Lock& lock) {
    const std::deque<Progress> due = take_due();
    if (due.empty() || !*callback_ || stopped_) {
        return;
    }
    lock.unlock();
    try {
        for (const Progress& progress : due) {
            (*callback_)(progress);
        }
    } catch (...) {
        stop(std::current_exception());
    }
    lock.lock();
}

void TransferCrew::line(const std::string& id, const std::string& status) {
    change([&] {
        bytes_.erase(id);
        lines_.push_back({.id = id, .status = status});
    });
}

void TransferCrew::bytes(const std::string& id, const std::string& status, std::uint64_t current,
                         std::uint64_t total) {
    Progress progress{.id = id, .status = status, .current = current, .total = total};
    const std::lock_guard lock(mutex_);
    if (begun_.insert(id + " " + status).second) {
        lines_.push_back(std::move(progress));  // the first at once, however short it is
        changed_.notify_all();
    } else {
        bytes_[id] = std::move(progress);  // wakes nobody: it is looked at often enough
    }
}

void TransferCrew::go_on() {
    const std::lock_guard lock(mutex_);
    if (stopped_) {
        throw TransferStopped();
    }
}

}  // namespace drydock
