#include "07-compose/proxy/watch_list.hpp"

#include <sys/epoll.h>

#include <cerrno>

#include "01-chroot/check.hpp"

namespace drydock {

WatchList::WatchList()
    : epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1(EPOLL_CLOEXEC)")) {}

WatchKey WatchList::add(int fd, std::uint32_t events) {
    const WatchKey key = (next_++ << 32U) | static_cast<WatchKey>(fd);
    change(key, events);
    return key;
}

void WatchList::change(WatchKey key, std::uint32_t events) {
    if (events == 0) {
        remove(key);
        return;
    }
    epoll_event event{};
    event.events = events;
    event.data.u64 = key;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd_of(key), &event) == -1) {
        check(errno == ENOENT ? ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd_of(key), &event) : -1,
              "epoll_ctl({})", fd_of(key));
    }
}

void WatchList::remove(WatchKey key) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd_of(key), nullptr);  // not watched: just as well
}

}  // namespace drydock
