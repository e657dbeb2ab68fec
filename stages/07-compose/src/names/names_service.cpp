#include "07-compose/names/names_service.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "01-chroot/check.hpp"
#include "07-compose/proxy/fd_message.hpp"

namespace drydock {

bool NamesService::take(const std::string& text, std::vector<UniqueFd> fds) {
    const auto verb_end = text.find(' ');
    if (verb_end == std::string::npos) {
        return false;
    }
    const auto id_end = text.find(' ', verb_end + 1);
    const std::string verb = text.substr(0, verb_end);
    const std::string id = text.substr(verb_end + 1, id_end - verb_end - 1);
    try {
        if (verb == "put" && id_end != std::string::npos) {
            book_.put(id, named_container_from_json(std::string_view(text).substr(id_end + 1)));
            if (fds.size() == 2) {
                server_.add(id, std::move(fds[0]), std::move(fds[1]));
            }
            if (!lives_.contains(id)) {
                unborn_.insert(id);
            }
        } else if (verb == "life" && fds.size() == 1) {
            unborn_.erase(id);
            lives_[id] = std::move(fds.front());
        } else if (verb == "drop") {
            drop(id);
        } else {
            return false;
        }
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

void NamesService::drop(const std::string& container) {
    server_.remove(container);
    book_.erase(container);
    unborn_.erase(container);
    lives_.erase(container);
}

void NamesService::daemon_went() {
    for (const std::string& container : std::exchange(unborn_, {})) {
        drop(container);
    }
}

void run_names_service(UniqueFd listener) {
    NamesService service;
    std::vector<UniqueFd> daemons;
    do {
        std::vector<pollfd> events{{listener.get(), POLLIN, 0}};
        for (const UniqueFd& daemon : daemons) {
            events.push_back({daemon.get(), POLLIN, 0});
        }
        std::vector<std::string> ids;
        for (const auto& [id, pidfd] : service.lives()) {
            ids.push_back(id);
            events.push_back({pidfd.get(), POLLIN, 0});
        }
        if (::poll(events.data(), events.size(), -1) == -1) {
            check(errno == EINTR ? 0 : -1, "poll({} descriptors)", events.size());
            continue;
        }
        const std::size_t first_life = 1 + daemons.size();
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (events[first_life + i].revents != 0) {
                service.drop(ids[i]);
            }
        }
        for (std::size_t i = daemons.size(); i > 0; --i) {
            if (events[i].revents == 0) {
                continue;
            }
            FdMessage message = receive_fd_message(daemons[i - 1].get());
            if (message.kind != FdMessage::Kind::Nothing &&
                (message.kind == FdMessage::Kind::End ||
                 !service.take(message.text, std::move(message.fds)))) {
                daemons.erase(daemons.begin() + static_cast<std::ptrdiff_t>(i) - 1);
                service.daemon_went();
            }
        }
        if (events.front().revents != 0) {
            UniqueFd daemon(
                ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (daemon) {
                daemons.push_back(std::move(daemon));
            }
        }
    } while (!daemons.empty() || !service.lives().empty());
}

}  // namespace drydock
