#include "mirror.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "05-images/manifest.hpp"
#include "06-registry/progress.hpp"
#include "06-registry/stored_credentials.hpp"

#include "registry_client.hpp"
#include "registry_error.hpp"
#include "registry_state.hpp"

namespace drydock {
namespace {

std::string domain_of(const std::string& upstream) {
    std::string domain = upstream;
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (domain.starts_with(scheme)) {
            domain.erase(0, scheme.size());
            break;
        }
    }
    if (domain.ends_with('/')) {
        domain.pop_back();
    }
    bool good = false;
    try {
        good = parse_reference(domain + "/name").domain == domain;
    } catch (const InputError&) {  // NOLINT(bugprone-empty-catch): said below
    }
    if (!good) {
        throw InputError(fmt::format(
            "--mirror-of {}: expected the HOST[:PORT] of a registry, like docker.io", upstream));
    }
    return domain;
}

HttpError bad_gateway(const std::exception& error) {
    return registry_refusal(502, "UNKNOWN", fmt::format("upstream: {}", error.what()));
}

/// What upstream says of something that it has not, or not for us.
bool says_no(const RegistryError& error) {
    return error.status() >= 400 && error.status() < 500 && error.status() != 429;
}

}  // namespace

Mirror::Mirror(const std::string& upstream, std::uint64_t size, const ContentStore& store,
               Repositories& repositories, SweepGate& gate)
    : domain_(domain_of(upstream)),
      size_(size),
      store_(&store),
      repositories_(&repositories),
      gate_(&gate),
      credentials_(stored_credentials(domain_)) {}

Reference Mirror::upstream(const std::string& name) const {
    return {.domain = domain_, .path = name, .tag = "latest"};
}

std::shared_ptr<std::mutex> Mirror::turn_for(const Digest& digest) {
    const std::lock_guard lock(mutex_);
    std::erase_if(turns_, [](const auto& entry) { return entry.second.expired(); });
    std::shared_ptr<std::mutex> turn = turns_[digest].lock();
    if (!turn) {
        turn = std::make_shared<std::mutex>();
        turns_[digest] = turn;
    }
    return turn;
}

// [region: bring-manifest]
void Mirror::bring_manifest(const std::string& name, const std::string& reference) {
    const bool by_digest = reference.find(':') != std::string::npos;
    if (by_digest) {
        const Digest digest = digest_from_request(reference);
        if (repositories_->manifest_type(name, digest) && store_->contains(digest)) {
            return;
        }
    }
    try {
        RegistryClient client(upstream(name), credentials_, "pull");
        const RegistryClient::Document document = client.manifest(reference);
        // Read once here, so that what it names can be asked for, and only that.
        static_cast<void>(contents_of(document.text, document.media_type, reference));
        const auto pushing = gate_->push();
        store_->put(document.text);
        repositories_->add_manifest(name, document.digest, document.media_type);
        if (!by_digest) {
            repositories_->set_tag(name, reference, document.digest);
        }
    } catch (const RegistryError& error) {
        const auto known = by_digest ? std::nullopt : repositories_->tag(name, reference);
        if (says_no(error) && known) {  // it is gone there, so it is here
            repositories_->remove_tag(name, reference);
        } else if (!says_no(error) && !(known && store_->contains(*known))) {
            throw bad_gateway(error);
        }
    } catch (const InputError& error) {
        throw bad_gateway(error);
    }
}
// [/region]

std::optional<oci::Descriptor> Mirror::named_in(const std::string& name,
                                                const Digest& digest) const {
    for (const Digest& manifest : repositories_->manifests(name)) {
        const auto type = repositories_->manifest_type(name, manifest);
        if (!type || media_type::is_index(*type) || !store_->contains(manifest)) {
            continue;
        }
        for (const oci::Descriptor& part :
             contents_of(store_->read(manifest, kMaxManifestSize), *type, manifest.text())) {
            if (part.digest == digest) {
                return part;
            }
        }
    }
    return std::nullopt;
}

void Mirror::fetch(const std::string& name, const oci::Descriptor& blob) {
    try {
        RegistryClient client(upstream(name), credentials_, "pull");
        Ingest ingest = store_->begin();
        ingest.limit(blob.size);
        client.fetch_blob(ingest, blob, "mirror", [](std::uint64_t) {});
        ingest.commit(blob.digest, blob.size);
    } catch (const RegistryError& error) {
        if (!says_no(error)) {
            throw bad_gateway(error);
        }
    } catch (const InputError& error) {  // another digest or size than it was to have
        throw bad_gateway(error);
    }
}

void Mirror::bring_blob(const std::string& name, const Digest& digest) {
    if (store_->contains(digest) && repositories_->has_blob(name, digest)) {
        return;
    }
    const auto blob = named_in(name, digest);
    if (!blob) {
        return;
    }
    const auto turn = turn_for(digest);
    const std::lock_guard alone(*turn);
    if (!store_->contains(digest)) {
        fetch(name, *blob);
    }
    if (store_->contains(digest)) {
        repositories_->add_blob(name, digest);
    }
}

// [region: keep-size]
void Mirror::keep_size() {
    struct Kept {
        std::int64_t asked_for = 0;
        std::uint64_t size = 0;
        Digest digest{};
    };
    std::vector<Kept> kept;
    std::uint64_t total = 0;
    for (const Digest& digest : store_->list()) {
        struct stat status{};
        if (::stat(store_->path_of(digest).c_str(), &status) == -1) {
            continue;  // gone since
        }
        constexpr std::int64_t kSecond = 1'000'000'000;
        kept.push_back({.asked_for = status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec,
                        .size = static_cast<std::uint64_t>(status.st_size),
                        .digest = digest});
        total += kept.back().size;
    }
    std::ranges::sort(kept, {}, &Kept::asked_for);
    for (const Kept& blob : kept) {
        if (total <= size_) {
            return;
        }
        const auto alone = gate_->sweep();
        if (!gate_->held(blob.digest) && ::unlink(store_->path_of(blob.digest).c_str()) == 0) {
            total -= blob.size;
        }
    }
}
// [/region]

}  // namespace drydock
