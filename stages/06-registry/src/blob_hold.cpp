#include "blob_hold.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

/// Not the same for all: who came together does not look together.
void nap() {
    thread_local std::minstd_rand random{std::random_device{}()};
    std::uniform_int_distribution<int> milliseconds(5, 30);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds(random)));
}

bool is_linked(int fd) {
    struct stat status{};
    check(::fstat(fd, &status), "fstat(lock)");
    return status.st_nlink != 0;
}

}  // namespace

DigestLock::DigestLock(const ContentStore& store, Of of, const Digest& digest)
    : path_(store.root() / "tmp" /
            fmt::format("lock-{}-{}", of == Of::Blob ? "blob" : "layer", digest.hex())) {}

DigestLock::DigestLock(DigestLock&& other) noexcept
    : path_(std::move(other.path_)), file_(std::move(other.file_)) {}

DigestLock::~DigestLock() {
    // Only the last one takes the name away: else two files of one name would be two locks.
    struct stat status{};
    if (file_ && ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0 &&
        ::fstat(file_.get(), &status) == 0 && status.st_nlink != 0) {
        static_cast<void>(::unlink(path_.c_str()));
    }
}

// [region: digest-lock]
bool DigestLock::try_lock(int operation) {
    while (true) {
        if (!file_) {
            file_ = open_file(path_, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
        }
        // flock(2) belongs to what open(2) made, so that two threads are as strange to each other
        // as two processes.
        if (::flock(file_.get(), operation | LOCK_NB) == -1) {
            if (errno == EWOULDBLOCK) {
                return false;
            }
            check(-1, "flock({})", path_.native());
        }
        if (is_linked(file_.get())) {
            return true;
        }
        file_ = UniqueFd();  // the last one has just gone with it
    }
}
// [/region]

bool DigestLock::try_alone() {
    return try_lock(LOCK_EX);
}
bool DigestLock::try_shared() {
    return try_lock(LOCK_SH);
}

// [region: make-once]
bool DigestLock::wait_for(const std::function<bool()>& made, const std::function<void()>& waits) {
    while (true) {
        if (try_shared() && made()) {
            return true;
        }
        if (try_alone()) {
            if (!made()) {
                return false;
            }
            try_shared();
            return true;
        }
        waits();
        nap();
    }
}
// [/region]

BlobHold::BlobHold(const ContentStore& store, const Digest& digest,
                   const std::function<void(std::uint64_t)>& waits)
    : store_(&store), digest_(digest), lock_(store, DigestLock::Of::Blob, digest) {
    const std::string path = store.root() / "tmp" / unfinished();
    to_fetch_ = !lock_.wait_for([&] { return store.contains(digest); },
                                [&] {
                                    struct stat status{};
                                    waits(::stat(path.c_str(), &status) == 0
                                              ? static_cast<std::uint64_t>(status.st_size)
                                              : 0);
                                });
}

std::string BlobHold::unfinished() const {
    return fmt::format("fetch-{}", digest_.hex());
}

Ingest BlobHold::begin(std::uint64_t size) const {
    if (Ingest ingest = store_->begin(unfinished()); ingest.size() <= size) {
        return ingest;
    }
    return store_->begin(unfinished());  // what was there is too much, and gone by now
}

void BlobHold::fetched() {
    to_fetch_ = false;
    fetched_ = true;
    lock_.try_shared();
}

}  // namespace drydock
