// What a client does with blobs: fetch, send, mount, and ask what refers to them.
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "05-images/manifest.hpp"

#include "registry_client.hpp"

namespace drydock {

/// One attempt: from the byte behind the last one that is here.
void RegistryClient::go_on(Ingest& ingest, const oci::Descriptor& blob,
                           const std::function<void(std::uint64_t)>& progressed) {
    const std::uint64_t begin = ingest.size();
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
        ingest.write(bytes.substr(known));
        progressed(ingest.size());
    };
    const HttpReply reply = call(std::move(get));
    if (reply.status != 200 && reply.status != 206) {
        fail(reply, "GET");
    }
}

// [region: fetch-blob]
void RegistryClient::fetch_blob(const ContentStore& store, const oci::Descriptor& blob,
                                const std::function<void(std::uint64_t)>& progressed) {
    Ingest ingest = store.begin();
    ingest.limit(blob.size);
    for (int attempt = 0; attempt == 0 || ingest.size() < blob.size; ++attempt) {
        const std::uint64_t before = ingest.size();
        try {
            go_on(ingest, blob, progressed);
            break;  // the registry says that this was all of it
        } catch (const RegistryError& error) {
            const bool more = ingest.size() > before;
            attempt = more ? 0 : attempt;
            // A cut is worth another try; a refusal, or nobody there at all, is not.
            if (error.status() != 0 || ingest.size() == 0 || attempt + 1 >= retry_.attempts) {
                throw;
            }
            pause(attempt, nullptr);
        }
    }
    ingest.commit(blob.digest, blob.size);
}
// [/region]

bool RegistryClient::has_blob(const Digest& digest) {
    const HttpReply reply = call({.method = "HEAD", .url = url("blobs", digest.text())});
    if (reply.status != 200 && reply.status != 404) {
        fail(reply, "HEAD");
    }
    return reply.status == 200;
}

// [region: send-blob]
void RegistryClient::send_blob(const ContentStore& store, const oci::Descriptor& blob,
                               const std::function<void(std::uint64_t)>& progressed) {
    const HttpReply begun = call({.method = "POST", .url = url("blobs", "uploads/")});
    const std::string* location = find_header(begun.headers, "Location");
    if (begun.status != 202 || location == nullptr) {
        fail(begun, "POST");
    }
    const std::string target = resolve_url(begun.url, *location);
    const UniqueFd file = store.open(blob.digest);
    const HttpReply done =
        call({.method = "PUT",
              .url = fmt::format("{}{}digest={}", target,
                                 target.find('?') == std::string::npos ? '?' : '&',
                                 escape_url(blob.digest.text())),
              .headers = {{.name = "Content-Type", .value = "application/octet-stream"}},
              .upload_fd = file.get(),
              .upload_size = store.size(blob.digest),
              .uploaded = progressed});
    if (done.status != 201) {
        fail(done, "PUT");
    }
}
// [/region]

bool RegistryClient::mount_blob(const Digest& digest, const std::string& from) {
    const HttpReply reply =
        call({.method = "POST",
              .url = url("blobs", fmt::format("uploads/?mount={}&from={}",
                                              escape_url(digest.text()), escape_url(from)))});
    if (reply.status == 201) {
        return true;
    }
    const std::string* location = find_header(reply.headers, "Location");
    if (reply.status == 202 && location != nullptr) {
        // It has begun an upload instead, which nobody will go on with.
        static_cast<void>(call({.method = "DELETE", .url = resolve_url(reply.url, *location)}));
    }
    return false;
}

// [region: referrers]
std::vector<Referrer> RegistryClient::referrers(const Digest& digest,
                                                const std::string& artifact_type) {
    std::string path = digest.text();
    if (!artifact_type.empty()) {
        path += "?artifactType=" + escape_url(artifact_type);
    }
    HttpReply reply = call({.url = url("referrers", path), .body_limit = kMaxManifestSize});
    bool filtered = find_header(reply.headers, "OCI-Filters-Applied") != nullptr;
    if (reply.status == 404) {
        reply = call({.url = url("manifests", fmt::format("sha256-{}", digest.hex())),
                      .headers = {{.name = "Accept", .value = std::string(media_type::kOciIndex)}},
                      .body_limit = kMaxManifestSize});
        filtered = false;
        if (reply.status == 404) {
            return {};
        }
    }
    if (reply.status != 200) {
        fail(reply, "GET");
    }
    const oci::Index index = parse_index(reply.body, media_type::kOciIndex, "referrers");
    const auto parsed = nlohmann::json::parse(reply.body);
    std::vector<Referrer> result;
    for (std::size_t i = 0; i < index.manifests.size(); ++i) {
        Referrer referrer{.manifest = index.manifests[i]};
        const auto& entry = parsed["manifests"][i];
        if (entry.contains("artifactType") && entry["artifactType"].is_string()) {
            referrer.artifact_type = entry["artifactType"].get<std::string>();
        }
        if (filtered || artifact_type.empty() || referrer.artifact_type == artifact_type) {
            result.push_back(std::move(referrer));
        }
    }
    return result;
}
// [/region]

}  // namespace drydock
