#include "07-compose/engine/exit_watcher.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

#include "01-chroot/check.hpp"

namespace drydock {

ExitWatcher::ExitWatcher(std::function<void(const std::string&)> on_exit)
    : on_exit_(std::move(on_exit)),
      epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1(EPOLL_CLOEXEC)")),
      stop_(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd(0, EFD_CLOEXEC)")) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = stop_.get()}};
    check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event),
          "epoll_ctl(EPOLL_CTL_ADD, eventfd)");
    thread_ = std::thread([this] { run(); });
}

ExitWatcher::~ExitWatcher() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
}

void ExitWatcher::watch(int pidfd, const std::string& name) {
    {
        const std::lock_guard lock(mutex_);
        names_[pidfd] = name;
    }
    // A pidfd is readable from the moment on in which its process is dead, so none is missed that
    // ended before now.
    epoll_event event{.events = EPOLLIN | EPOLLONESHOT, .data = {.fd = pidfd}};
    check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pidfd, &event),
          "epoll_ctl(EPOLL_CTL_ADD, pidfd={})", pidfd);
}

void ExitWatcher::run() {
    while (true) {
        epoll_event event{};
        const int count = ::epoll_wait(epoll_.get(), &event, 1, -1);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 || event.data.fd == stop_.get()) {
            return;
        }
        std::string name;
        {
            const std::lock_guard lock(mutex_);
            name = std::exchange(names_[event.data.fd], {});
            names_.erase(event.data.fd);
        }
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, event.data.fd, nullptr);
        on_exit_(name);
    }
}

}  // namespace drydock
