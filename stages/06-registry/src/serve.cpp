#include "06-registry/serve.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/program_memory.hpp"
#include "06-registry/http_server.hpp"

#include "housekeeping.hpp"
#include "registry_metrics.hpp"
#include "tls_front.hpp"

namespace drydock {
namespace {

/// Those that end us, and the one that asks for a collection.
sigset_t awaited_signals() {
    sigset_t set{};
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
        sigaddset(&set, number);
    }
    return set;
}

/// Where requests are noted: each line in one write(2), so that lines never mix.
class RequestLog {
  public:
    explicit RequestLog(const std::filesystem::path& path) {
        if (path == "-") {
            fd_ = UniqueFd(check(::fcntl(2, F_DUPFD_CLOEXEC, 3), "fcntl(stderr, F_DUPFD_CLOEXEC)"));
        } else if (!path.empty()) {
            fd_ = open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        }
    }
    void write(const HttpLogEntry& entry) const noexcept {
        if (fd_) {
            try {
                const std::string line = log_line(entry);
                static_cast<void>(!::write(fd_.get(), line.data(), line.size()));
            } catch (const std::exception&) {
                return;  // a log that cannot be written stops no registry
            }
        }
    }

  private:
    UniqueFd fd_{};
};

RegistryOptions with_encryption(RegistryOptions options, bool tls) {
    options.encrypted = tls;
    return options;
}

/// Whether everybody has to say who they are.
bool is_guarded(const RegistryOptions& options) {
    return !options.htpasswd.empty() || options.tokens.used();
}

/// What is not the distribution-spec's: for those who watch over the server.
bool answer_watcher(HttpExchange& exchange, Registry& registry, const RegistryMetrics& metrics) {
    const HttpRequest& request = exchange.request();
    if (request.path == "/healthz") {
        exchange.respond(200, {{.name = "Content-Type", .value = "application/json"}},
                         "{\"status\":\"ok\"}");
        return true;
    }
    if (request.path == "/metrics") {
        registry.authorise(request);
        exchange.respond(
            200, {{.name = "Content-Type", .value = "text/plain; version=0.0.4; charset=utf-8"}},
            metrics.text());
        return true;
    }
    return false;
}

/// What goes wrong is reported, and tried again the next time.
void collect_garbage(Registry& registry, const RegistryGarbageOptions& options,
                     RegistryMetrics& metrics) {
    try {
        const RegistryGarbage garbage = registry.collect(options);
        metrics.count(garbage);
        for (const std::string& damaged : garbage.damaged) {
            fmt::print(stderr, "drydock-06: garbage collection leaves {}\n", damaged);
        }
    } catch (const std::exception& error) {
        fmt::print(stderr, "drydock-06: garbage collection: {}\n", error.what());
    }
}

/// Returns at a signal that is to end us, or when asked to stop.
void wait_for_end(const sigset_t& awaited, const std::stop_token& stop,
                  Housekeeping& housekeeping) {
    const timespec moment{.tv_sec = 1, .tv_nsec = 0};
    while (!stop.stop_requested()) {
        const int signal = ::sigtimedwait(&awaited, nullptr, &moment);
        if (signal == SIGUSR1) {
            housekeeping.ask();
        } else if (signal != -1) {
            return;
        }
    }
}

std::unique_ptr<TlsFront> tls_front(const ServeOptions& options, bool any_address,
                                    HttpServer& server) {
    if (options.tls_certificate.empty() != options.tls_key.empty()) {
        throw InputError("--tls-cert and --tls-key: expected both, or --tls self-signed");
    }
    if (options.tls_certificate.empty() && !options.tls_self_signed) {
        return nullptr;
    }
    const TlsFiles files =
        options.tls_self_signed
            ? self_signed_certificate(options.registry.root / "tls")
            : TlsFiles{.certificate = options.tls_certificate, .key = options.tls_key};
    return std::make_unique<TlsFront>(files, options.listen, any_address,
                                      [&server](UniqueFd plain, HttpPeer peer) {
                                          server.adopt(std::move(plain), std::move(peer));
                                      });
}

}  // namespace

// [region: serve]
void serve_registry(const ServeOptions& options,
                    const std::function<void(const std::string& address)>& listening) {
    // Blocked before there is a thread, so that only sigwait takes them.
    const sigset_t awaited = awaited_signals();
    sigset_t before{};
    check(::sigprocmask(SIG_BLOCK, &awaited, &before), "sigprocmask(SIG_BLOCK)");
    const bool tls = options.tls_self_signed || !options.tls_certificate.empty();
    Registry registry(with_encryption(options.registry, tls));
    RegistryMetrics metrics;
    const RequestLog log(options.request_log);
    const bool any_address = is_guarded(options.registry) || options.insecure_any_address;
    HttpServer server(
        {.listen = tls ? std::vector<std::string>{} : std::vector{options.listen},
         .any_address = any_address,
         .common_headers = {{.name = "Docker-Distribution-API-Version", .value = "registry/2.0"}},
         .max_per_peer = 1024,  // of 4096: others come in whatever one address does
         .log =
             [&](const HttpLogEntry& entry) {
                 metrics.count(entry);
                 log.write(entry);
             }},
        [&](HttpExchange& exchange) {
            if (!answer_watcher(exchange, registry, metrics)) {
                registry.handle(exchange);
            }
        });
    const std::unique_ptr<TlsFront> front = tls_front(options, any_address, server);
    Housekeeping housekeeping(options.gc_interval,
                              [&] { collect_garbage(registry, options.garbage, metrics); });
    std::jthread waiter([&](const std::stop_token& stop) {
        wait_for_end(awaited, stop, housekeeping);
        server.stop();
    });
    listening(front ? "https://" + front->address() : server.addresses().front());
    release_program_pages();
    server.run();
    waiter.request_stop();
    waiter.join();
    check(::sigprocmask(SIG_SETMASK, &before, nullptr), "sigprocmask(SIG_SETMASK)");
}
// [/region]

}  // namespace drydock
