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
      read_only(options.read_only) {
    if (!options.htpasswd.empty()) {
        users.emplace(options.htpasswd);
    }
}

void Registry::State::authorise(const HttpRequest& request) {
    if (!users) {
        return;
    }
    const auto credentials = parse_basic_authorization(request.header("Authorization"));
    if (!credentials || !users->allows(*credentials)) {
        throw registry_refusal(
            401, "UNAUTHORIZED", "authentication required",
            {{.name = "WWW-Authenticate", .value = "Basic realm=\"Drydock registry\""}});
    }
}

void Registry::State::expect_writable(std::string_view method) const {
    if (read_only && method != "GET") {
        throw registry_refusal(405, "UNSUPPORTED", "this registry is read-only");
    }
}

Registry::Registry(const RegistryOptions& options) : state_(std::make_unique<State>(options)) {}
Registry::~Registry() = default;

void Registry::authorise(const HttpRequest& request) {
    state_->authorise(request);
}

RegistryGarbage Registry::collect(const RegistryGarbageOptions& options) {
    return state_->collect(options);
}

void Registry::handle(HttpExchange& exchange) {
    struct Handler {
        Endpoint endpoint;
        std::string_view method;
        void (State::*handle)(HttpExchange&, const Route&);
    };
    // [region: endpoints]
    static constexpr std::array kHandlers = {
        Handler{Endpoint::Version, "GET", &State::version},
        Handler{Endpoint::Catalog, "GET", &State::list_catalog},
        Handler{Endpoint::Tags, "GET", &State::list_tags},
        Handler{Endpoint::Blob, "GET", &State::get_blob},
        Handler{Endpoint::Blob, "DELETE", &State::delete_blob},
        Handler{Endpoint::StartUpload, "POST", &State::start_upload},
        Handler{Endpoint::Upload, "GET", &State::upload_status},
        Handler{Endpoint::Upload, "PATCH", &State::append_upload},
        Handler{Endpoint::Upload, "PUT", &State::finish_upload},
        Handler{Endpoint::Upload, "DELETE", &State::cancel_upload},
        Handler{Endpoint::Referrers, "GET", &State::list_referrers},
        Handler{Endpoint::Manifest, "GET", &State::get_manifest},
        Handler{Endpoint::Manifest, "PUT", &State::put_manifest},
        Handler{Endpoint::Manifest, "DELETE", &State::delete_manifest},
    };
    const HttpRequest& request = exchange.request();
    state_->authorise(request);
    const Route route = route_of(request.path);
    const std::string_view method =
        request.method == "HEAD" ? "GET" : std::string_view(request.method);
    state_->expect_writable(method);
    bool known = false;
    for (const Handler& handler : kHandlers) {
        known = known || handler.endpoint == route.endpoint;
        if (handler.endpoint == route.endpoint && handler.method == method) {
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
    // [/region]
}

}  // namespace drydock
