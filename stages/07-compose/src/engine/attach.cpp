// Who sees a container's output and writes its input. Their sockets are the shim's while it runs,
// so that they live on when this daemon does not.
#include <poll.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "engine/entry.hpp"

namespace drydock {
namespace {

bool hung_up(const Attachment& attachment) {
    pollfd event{.fd = attachment.socket.get(), .events = 0, .revents = 0};
    return ::poll(&event, 1, 0) == 1 && (event.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

void Engine::attach(std::string_view name, const std::function<Attachment()>& client) {
    const EntryPtr one = entry(name);
    // A start() under way comes first, and one that the client asks for as soon as it has its
    // answer comes after: a command that ends at once is seen whole.
    const std::lock_guard operation(one->operation);
    {
        const std::lock_guard lock(mutex_);
        if (one->container.state.paused) {
            throw EngineError(
                Refusal::Conflict,
                fmt::format("Container {} is paused, unpause the container before attach",
                            one->container.id));
        }
    }
    Attachment attachment = client();
    bool runs = false;
    {
        const std::lock_guard lock(mutex_);
        tell(one->container, "attach");
        runs = one->container.state.status == Status::Running;
        if (!runs && !one->removed) {
            // Those who gave up waiting for a start go, so that there are never many.
            std::erase_if(one->attachments, hung_up);
            one->attachments.push_back(std::move(attachment));
        }
    }
    if (runs) {
        try {
            shim_attach(store_.directory(one->container.id), std::move(attachment));
        } catch (const InputError&) {  // NOLINT(bugprone-empty-catch): it ends in this moment, and
                                       // so does the stream
        }
    }
}

void Engine::resize(std::string_view name, unsigned rows, unsigned columns) {
    const Container container = find(name);
    const EngineError not_running(Refusal::Conflict,
                                  fmt::format("Container {} is not running", container.id));
    if (container.state.status != Status::Running) {
        throw not_running;
    }
    if (!container.config.tty) {
        throw InputError(fmt::format("Container {} has no terminal", container.id));
    }
    try {
        shim_resize(store_.directory(container.id), rows, columns);
    } catch (const InputError&) {
        throw not_running;  // it ends in this moment
    }
    tell(container, "resize",
         {{"height", std::to_string(rows)}, {"width", std::to_string(columns)}});
}

}  // namespace drydock
