#include "06-registry/serve.hpp"

#include <csignal>
#include <thread>

#include "01-chroot/check.hpp"
#include "06-registry/http_server.hpp"

namespace drydock {
namespace {

sigset_t ending_signals() {
    sigset_t set{};
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        sigaddset(&set, number);
    }
    return set;
}

}  // namespace

// [region: serve]
void serve_registry(const ServeOptions& options,
                    const std::function<void(const std::string& address)>& listening) {
    // Blocked before there is a thread, so that all of them have it from here, and only sigwait
    // takes them.
    const sigset_t ending = ending_signals();
    sigset_t before{};
    check(::sigprocmask(SIG_BLOCK, &ending, &before), "sigprocmask(SIG_BLOCK)");
    Registry registry(options.registry);
    const bool guarded = !options.registry.htpasswd.empty();
    HttpServer server(
        {.listen = {options.listen},
         .any_address = guarded || options.insecure_any_address,
         .common_headers = {{.name = "Docker-Distribution-API-Version", .value = "registry/2.0"}}},
        [&](HttpExchange& exchange) { registry.handle(exchange); });
    std::jthread waiter([&](const std::stop_token& stop) {
        const timespec moment{.tv_sec = 1, .tv_nsec = 0};
        while (!stop.stop_requested() && ::sigtimedwait(&ending, nullptr, &moment) == -1) {
        }
        server.stop();
    });
    listening(server.addresses().front());
    server.run();
    waiter.request_stop();
    waiter.join();
    check(::sigprocmask(SIG_SETMASK, &before, nullptr), "sigprocmask(SIG_SETMASK)");
}
// [/region]

}  // namespace drydock
