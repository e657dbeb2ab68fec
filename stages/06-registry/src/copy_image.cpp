#include "06-registry/copy_image.hpp"

#include <unistd.h>

#include <exception>
#include <thread>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "05-images/manifest.hpp"

#include "layer_arrivals.hpp"
#include "registry_client.hpp"

namespace drydock {
namespace {

/// A copy under way.
struct Copy {
    RegistryClient from;
    RegistryClient to;
    const CopyEnd& source;
    const CopyEnd& target;
    const CopyOptions& options;
};

// [region: stream-blob]
/// From one registry to the other, in the bytes that a pipe holds.
void stream_blob(Copy& copy, const oci::Descriptor& blob) {
    Pipe pipe = make_pipe();
    std::exception_ptr failure;
    std::jthread reader([&, out = std::move(pipe.write)]() mutable {
        try {
            Sha256 hash;
            copy.from.read_blob(blob, "blob " + short_id(blob.digest), [&](std::string_view bytes) {
                hash.update(std::as_bytes(std::span(bytes)));
                write_all(out.get(), bytes, "pipe");
            });
            if (const Digest got = hash.finish(); got != blob.digest) {
                throw InputError(fmt::format("blob {}: its bytes have the digest {}",
                                             blob.digest.text(), got.text()));
            }
        } catch (...) {
            failure = std::current_exception();
        }
        out = UniqueFd();
    });
    try {
        copy.to.send_blob(blob, [&](std::span<char> into) {
            return static_cast<std::size_t>(
                check(::read(pipe.read.get(), into.data(), into.size()), "read(pipe)"));
        });
    } catch (...) {
        pipe.read = UniqueFd();  // the reader gets EPIPE and ends
        reader.join();
        if (failure) {
            std::rethrow_exception(failure);
        }
        throw;
    }
    reader.join();
    if (failure) {
        std::rethrow_exception(failure);
    }
}
// [/region]

bool is_foreign(const oci::Descriptor& blob) {
    return blob.media_type.find("foreign") != std::string::npos ||
           blob.media_type.find("nondistributable") != std::string::npos;
}

/// @return what was done
std::string bring_blob(Copy& copy, const oci::Descriptor& blob) {
    if (is_foreign(blob)) {
        return "not to be distributed";
    }
    if (copy.to.has_blob(blob.digest, "blob " + short_id(blob.digest))) {
        return "there already";
    }
    if (copy.source.name.domain == copy.target.name.domain &&
        copy.to.mount_blob(blob.digest, copy.source.name.path)) {
        return "taken over";
    }
    stream_blob(copy, blob);
    return "copied";
}

void bring_manifest(Copy& copy, const RegistryClient::Document& document, const std::string& name,
                    int depth) {
    if (looks_like_index(document.text, "manifest")) {
        if (depth > 1) {
            throw InputError("an index within an index within an index");
        }
        for (const oci::Descriptor& child :
             parse_index(document.text, document.media_type, "index").manifests) {
            bring_manifest(copy, copy.from.manifest(child.digest.text(), "one of the index"),
                           child.digest.text(), depth + 1);
        }
    } else {
        const oci::Manifest manifest =
            parse_manifest(document.text, document.media_type, document.digest.text());
        std::vector<oci::Descriptor> blobs = manifest.layers;
        blobs.push_back(manifest.config);
        for (const oci::Descriptor& blob : blobs) {
            const std::string done = bring_blob(copy, blob);
            if (copy.options.told) {
                copy.options.told(fmt::format("{}: {}", short_id(blob.digest), done));
            }
        }
    }
    copy.to.put_manifest(name, document.media_type, document.text);
}

std::string tag_or_digest(const Reference& name) {
    return name.digest ? name.digest->text() : name.tag;
}

}  // namespace

std::string copy_image(const CopyEnd& from, const CopyEnd& to, const CopyOptions& options) {
    Copy copy{.from = RegistryClient(from.name, from.credentials, "pull"),
              .to = RegistryClient(to.name, to.credentials, "pull,push"),
              .source = from,
              .target = to,
              .options = options};
    copy.from.explain(options.explain);
    copy.to.explain(options.explain);
    if (from.name.domain == to.name.domain) {
        copy.to.also(fmt::format("repository:{}:pull", from.name.path));
    }
    auto document = copy.from.manifest(tag_or_digest(from.name), "what is to be copied");
    if (!options.all && looks_like_index(document.text, "manifest")) {
        const oci::Index index = parse_index(document.text, document.media_type, "index");
        document = copy.from.manifest(choose_platform(index, host_platform()).digest.text(),
                                      "the one for this machine");
    }
    bring_manifest(copy, document, to.name.digest ? document.digest.text() : to.name.tag, 0);
    return document.digest.text();
}

}  // namespace drydock
