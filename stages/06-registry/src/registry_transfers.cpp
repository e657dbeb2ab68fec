// What a client does with blobs: fetch, send, mount.
#include <algorithm>

#include <fmt/format.h>

#include "05-images/manifest.hpp"

#include "registry_client.hpp"

namespace drydock {

/// One attempt: from the byte `begin` on, to `sink`.
void RegistryClient::go_on(std::uint64_t begin, const oci::Descriptor& blob, const std::string& why,
                           const std::function<void(std::string_view)>& sink) {
    std::uint64_t skipped = begin;
    HttpCall get{.url = url("blobs", blob.digest.text())};
    if (begin > 0) {
        get.headers.push_back({.name = "Range", .value = fmt::format("bytes={}-", begin)});
    }
    get.head = [&](const HttpReply& reply) {
        const std::string* range = find_header(reply.headers, "Content-Range");
        const bool partial = reply.status == 206;
        if (partial && (range == nullptr || !range->starts_with(fmt::format("bytes {}-", begin)))) {
            throw RegistryError(fmt::format("{}: asked for byte {}, the registry sent another part",
                                            origin_, begin),
                                reply.status);
        }
        // Who does not know Range sends all of it: what is here already is passed over.
        skipped = partial ? begin : 0;
    };
    get.sink = [&](std::string_view bytes) {
        const std::size_t known = std::min<std::uint64_t>(begin - skipped, bytes.size());
        skipped += known;
        sink(bytes.substr(known));
    };
    const HttpReply reply = call(
        std::move(get), begin == 0 ? why : fmt::format("{}, the rest from byte {}", why, begin));
    if (reply.status != 200 && reply.status != 206) {
        fail(reply, "GET");
    }
}

// [region: fetch-blob]
void RegistryClient::fetch(const oci::Descriptor& blob, const std::string& why,
                           const std::function<std::uint64_t()>& here,
                           const std::function<void(std::string_view)>& sink) {
    bool answered = here() > 0;
    for (int attempt = 0; attempt == 0 || here() < blob.size; ++attempt) {
        const std::uint64_t before = here();
        if (before > 0 && before == blob.size) {
            return;
        }
        try {
            return go_on(before, blob, why, sink);  // the registry says that this was all of it
        } catch (const RegistryError& error) {
            const bool more = here() > before;
            answered = answered || more;
            attempt = more ? 0 : attempt;
            // A cut is worth another try; a refusal, or nobody there at all, is not.
            if (error.status() != 0 || !answered || attempt + 1 >= retry_.attempts) {
                throw;
            }
            pause(attempt, nullptr);
        }
    }
}
// [/region]

void RegistryClient::fetch_blob(Ingest& ingest, const oci::Descriptor& blob, const std::string& why,
                                const std::function<void(std::uint64_t)>& progressed) {
    ingest.limit(blob.size);
    fetch(
        blob, why, [&] { return ingest.size(); },
        [&](std::string_view bytes) {
            ingest.write(bytes);
            progressed(ingest.size());
        });
}

void RegistryClient::read_blob(const oci::Descriptor& blob, const std::string& why,
                               const std::function<void(std::string_view)>& sink) {
    std::uint64_t count = 0;
    fetch(
        blob, why, [&] { return count; },
        [&](std::string_view bytes) {
            count += bytes.size();
            sink(bytes);
        });
}

bool RegistryClient::has_blob(const Digest& digest, const std::string& why) {
    const HttpReply reply = call({.method = "HEAD", .url = url("blobs", digest.text())},
                                 fmt::format("is {} there already?", why));
    if (reply.status != 200 && reply.status != 404) {
        fail(reply, "HEAD");
    }
    return reply.status == 200;
}

bool RegistryClient::mount_blob(const Digest& digest, const std::string& from) {
    const HttpReply reply =
        call({.method = "POST",
              .url = url("blobs", fmt::format("uploads/?mount={}&from={}",
                                              escape_url(digest.text()), escape_url(from)))},
             fmt::format("take the blob over from {}", from));
    if (reply.status == 201) {
        return true;
    }
    const std::string* location = find_header(reply.headers, "Location");
    if (reply.status == 202 && location != nullptr) {
        // It has begun an upload instead, which nobody will go on with.
        static_cast<void>(call({.method = "DELETE", .url = resolve_url(reply.url, *location)},
                               "not the upload that it began instead"));
    }
    return false;
}

}  // namespace drydock
