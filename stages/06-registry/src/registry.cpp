#include "06-registry/registry.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

#include "registry_error.hpp"
#include "registry_state.hpp"

namespace fs = std::filesystem;

namespace drydock {
namespace {

UniqueFd lock_root(const fs::path& root) {
    fs::create_directories(fs::absolute(root).parent_path());
    if (::mkdir(root.c_str(), 0700) == -1 && errno != EEXIST) {  // images may be secret
        check(-1, "mkdir({})", root.native());
    }
    UniqueFd lock = open_file(root / "registry.lock", O_RDWR | O_CREAT, 0600);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == -1) {
        throw InputError(
            fmt::format("registry root {}: another registry serves it", root.native()));
    }
    return lock;
}

}  // namespace

Registry::State::State(const RegistryOptions& options)
    : root_lock(lock_root(options.root)),
      store(options.root),
      repositories(options.root / "repositories"),
      uploads(store, options.root / "uploads"),
      read_only(options.read_only || !options.mirror_of.empty()),
      access(options),
      faults(options.faults) {
    if (!options.mirror_of.empty()) {
        mirror.emplace(options.mirror_of, options.mirror_size, store, repositories, gate);
    }
}

void Registry::State::expect_writable(std::string_view method) const {
    if (read_only && method != "GET") {
        throw registry_refusal(405, "UNSUPPORTED",
                               mirror ? "this registry mirrors another one: push there"
                                      : "this registry is read-only");
    }
}

Registry::Registry(const RegistryOptions& options) : state_(std::make_unique<State>(options)) {}
Registry::~Registry() = default;

void Registry::authorise(const HttpRequest& request) {
    state_->access.expect_list(state_->access.admit(request), request);
}

RegistryGarbage Registry::collect(const RegistryGarbageOptions& options) {
    return state_->collect(options);
}

void Registry::handle(HttpExchange& exchange) {
    struct Handler {
        Endpoint endpoint;
        std::string_view method;
        unsigned needs;  ///< what who asks has to be allowed
        void (State::*handle)(HttpExchange&, const Route&);
    };
    // [region: endpoints]
    static constexpr std::array kHandlers = {
        Handler{Endpoint::Version, "GET", kNothing, &State::version},
        Handler{Endpoint::Catalog, "GET", kNothing, &State::list_catalog},
        Handler{Endpoint::Tags, "GET", kPull, &State::list_tags},
        Handler{Endpoint::Blob, "GET", kPull, &State::get_blob},
        Handler{Endpoint::Blob, "DELETE", kDelete, &State::delete_blob},
        Handler{Endpoint::StartUpload, "POST", kPush, &State::start_upload},
        Handler{Endpoint::Upload, "GET", kPush, &State::upload_status},
        Handler{Endpoint::Upload, "PATCH", kPush, &State::append_upload},
        Handler{Endpoint::Upload, "PUT", kPush, &State::finish_upload},
        Handler{Endpoint::Upload, "DELETE", kPush, &State::cancel_upload},
        Handler{Endpoint::Referrers, "GET", kPull, &State::list_referrers},
        Handler{Endpoint::Manifest, "GET", kPull, &State::get_manifest},
        Handler{Endpoint::Manifest, "PUT", kPush, &State::put_manifest},
        Handler{Endpoint::Manifest, "DELETE", kDelete, &State::delete_manifest},
    };
    // [/region]
    const HttpRequest& request = exchange.request();
    state_->faults.refuse(request);
    if (request.path == "/token" && state_->access.gives_tokens()) {
        return state_->access.give_token(exchange);
    }
    const Visitor visitor = state_->access.admit(request);
    Route route = route_of(request.path);
    route.visitor = &visitor;
    const std::string_view method =
        request.method == "HEAD" ? "GET" : std::string_view(request.method);
    state_->expect_writable(method);
    bool known = false;
    for (const Handler& handler : kHandlers) {
        known = known || handler.endpoint == route.endpoint;
        if (handler.endpoint == route.endpoint && handler.method == method) {
            if (handler.needs != kNothing) {
                state_->access.expect(visitor, request, route.name, handler.needs);
            }
            try {
                return ((*state_).*handler.handle)(exchange, route);
            } catch (const std::system_error& error) {  // without paths of this machine
                const bool full =
                    error.code() == std::errc::no_space_on_device || error.code().value() == EDQUOT;
                throw registry_refusal(
                    full ? 507 : 500, "UNKNOWN",
                    full ? "the registry's disk is full" : error.code().message());
            }
        }
    }
    throw known ? registry_refusal(405, "UNSUPPORTED", "the operation is unsupported")
                : registry_refusal(404, "UNSUPPORTED", "no such endpoint");
}

}  // namespace drydock
