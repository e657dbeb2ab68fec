#include <sys/stat.h>

#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

#include "registry_error.hpp"
#include "registry_state.hpp"

namespace drydock {
namespace {

std::string blob_location(const Route& route, const Digest& digest) {
    return fmt::format("/v2/{}/blobs/{}", route.name, digest.text());
}

void respond_created(HttpExchange& exchange, const Route& route, const Digest& digest) {
    exchange.respond(201,
                     {{.name = "Location", .value = blob_location(route, digest)},
                      {.name = "Docker-Content-Digest", .value = digest.text()}},
                     "");
}

std::string upload_location(const Route& route, const std::string& id) {
    return fmt::format("/v2/{}/blobs/uploads/{}", route.name, id);
}

/// How far an upload is: what its client has to know to go on.
HttpHeaders upload_headers(const Route& route, const std::string& id, std::uint64_t size) {
    return {{.name = "Location", .value = upload_location(route, id)},
            {.name = "Docker-Upload-UUID", .value = id},
            {.name = "Range", .value = fmt::format("0-{}", size == 0 ? 0 : size - 1)}};
}

struct ContentRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};

/// "0-1023": not what RFC 9110 has under that name, but what the distribution-spec says.
std::optional<ContentRange> parse_content_range(std::string_view text) {
    ContentRange range;
    const char* end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, range.first);
    if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') {
        return std::nullopt;
    }
    const auto last = std::from_chars(first.ptr + 1, end, range.last);
    return last.ec == std::errc() && last.ptr == end && range.last >= range.first
               ? std::optional(range)
               : std::nullopt;
}

/// A chunk begins where the last one ended, or nothing of it is taken.
void check_range(const HttpRequest& request, const Route& route, std::uint64_t size) {
    const std::string_view header = request.header("Content-Range");
    if (header.empty()) {
        return;
    }
    const auto range = parse_content_range(header);
    if (!range || range->first != size) {
        throw registry_refusal(416, "BLOB_UPLOAD_INVALID",
                               fmt::format("the next byte of this upload is byte {}", size),
                               upload_headers(route, route.reference, size));
    }
    if (request.content_length && *request.content_length != range->last - range->first + 1) {
        throw registry_refusal(400, "SIZE_INVALID",
                               "Content-Range and Content-Length do not agree");
    }
}

std::unique_lock<std::mutex> write_alone(Upload& upload) {
    std::unique_lock lock(upload.writing, std::try_to_lock);
    if (!lock || upload.ended) {
        throw registry_refusal(409, "BLOB_UPLOAD_INVALID", "another request writes to this upload");
    }
    return lock;
}

/// What was there a moment ago, and may have been deleted and collected since.
UniqueFd open_blob(const ContentStore& store, const Digest& digest) {
    try {
        return store.open(digest);
    } catch (const InputError&) {
        throw registry_refusal(404, "BLOB_UNKNOWN", "blob unknown to registry");
    }
}

std::uint64_t size_of(int fd) {
    struct stat status{};
    check(::fstat(fd, &status), "fstat(blob)");
    return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

Digest digest_from_request(std::string_view text) {
    try {
        return parse_digest(text);
    } catch (const InputError&) {
        throw registry_refusal(400, "DIGEST_INVALID",
                               "expected sha256: and 64 lower-case hexadecimal digits");
    }
}

/// A push that asks (HEAD) and hears yes will not send the blob: from there on it stays.
Digest Registry::State::visible_blob(HttpExchange& exchange, const Route& route) {
    const bool asked = exchange.request().method == "HEAD" || mirror;
    const auto pushing = gate.push();
    Digest digest = digest_from_request(route.reference);
    if (!repositories.has_blob(route.name, digest) ||
        !(asked ? lease(digest) : store.contains(digest))) {
        throw registry_refusal(404, "BLOB_UNKNOWN", "blob unknown to registry");
    }
    return digest;
}

void Registry::State::get_blob(HttpExchange& exchange, const Route& route) {
    std::optional<SweepGate::Hold> stays;  // until it is open
    if (mirror) {
        stays.emplace(gate, digest_from_request(route.reference));
        mirror->bring_blob(route.name, digest_from_request(route.reference));
    }
    const Digest digest = visible_blob(exchange, route);
    const UniqueFd file = open_blob(store, digest);
    if (mirror) {
        stays.reset();
        mirror->keep_size();
    }
    const HttpHeaders headers = {{.name = "Content-Type", .value = "application/octet-stream"},
                                 {.name = "Docker-Content-Digest", .value = digest.text()},
                                 {.name = "ETag", .value = fmt::format("\"{}\"", digest.text())}};
    if (!faults.answer_blob(exchange, file.get(), size_of(file.get()), headers)) {
        exchange.respond_ranged_file(file.get(), size_of(file.get()), headers);
    }
}

void Registry::State::delete_blob(HttpExchange& exchange, const Route& route) {
    repositories.remove_blob(route.name, visible_blob(exchange, route));
    exchange.respond(202, {}, "");
}

/// Without `from` any repository will do.
/// @return false when there is nothing to mount: the client then uploads
bool Registry::State::mount_blob(HttpExchange& exchange, const Route& route) {
    const auto mount = exchange.request().parameter("mount");
    if (!mount) {
        return false;
    }
    const auto wanted = exchange.request().parameter("from");
    const Digest digest = digest_from_request(*mount);
    if (wanted && !is_repository_name(*wanted)) {
        return false;
    }
    const auto may_pull = [&](const std::string& name) {
        return access.may(*route.visitor, name, kPull);
    };
    const auto from = wanted ? wanted : repositories.repository_with(digest, may_pull);
    if (!from || !may_pull(*from)) {  // as if it had none
        return false;
    }
    {
        const auto pushing = gate.push();
        if (!repositories.has_blob(*from, digest) || !lease(digest)) {
            return false;
        }
        repositories.add_blob(route.name, digest);
    }
    respond_created(exchange, route, digest);
    return true;
}

void Registry::State::start_upload(HttpExchange& exchange, const Route& route) {
    if (mount_blob(exchange, route)) {
        return;
    }
    if (exchange.request().parameter("digest")) {  // all of it in this one request
        Upload upload(route.name, store.begin());
        try {
            respond_created(exchange, route, commit(exchange, route, upload));
        } catch (...) {
            upload.ended = true;  // nobody knows a name to go on with it
            throw;
        }
        return;
    }
    const std::string id = uploads.begin(route.name);
    exchange.respond(202, upload_headers(route, id, 0), "");
}

void Registry::State::upload_status(HttpExchange& exchange, const Route& route) {
    const auto upload = uploads.find(route.name, route.reference);
    auto alone = write_alone(*upload);
    const std::uint64_t size = upload->ingest.size();
    alone.unlock();
    exchange.respond(204, upload_headers(route, route.reference, size), "");
}

void Registry::State::receive(HttpExchange& exchange, Upload& upload) const {
    std::vector<std::byte> buffer(std::size_t{256} << 10U);
    try {
        while (const std::size_t n = exchange.read_some(buffer)) {
            upload.ingest.write(std::span(buffer).first(n));
        }
    } catch (const std::system_error&) {
        // Nobody knows how much of it is in the file, and on a full disk it is in everybody's way.
        upload.ended = true;
        throw;
    }
}

void Registry::State::append_upload(HttpExchange& exchange, const Route& route) {
    const auto upload = uploads.find(route.name, route.reference);
    auto alone = write_alone(*upload);
    check_range(exchange.request(), route, upload->ingest.size());
    try {
        receive(exchange, *upload);
    } catch (...) {
        if (upload->ended) {
            uploads.end(route.reference);
        }
        throw;
    }
    const std::uint64_t size = upload->ingest.size();
    alone.unlock();  // before the answer, on which the client may send the next chunk at once
    exchange.respond(202, upload_headers(route, route.reference, size), "");
}

// [region: commit-upload]
Digest Registry::State::commit(HttpExchange& exchange, const Route& route, Upload& upload) {
    Digest expected = digest_from_request(exchange.request().parameter("digest").value_or(""));
    receive(exchange, upload);
    upload.ended = true;
    const SweepGate::Hold stays(gate, expected);
    try {
        upload.ingest.commit(expected);
    } catch (const InputError&) {
        throw registry_refusal(400, "DIGEST_INVALID",
                               "provided digest did not match uploaded content");
    }
    // The blob first: a repository never has one that is not there.
    repositories.add_blob(route.name, expected);
    static_cast<void>(lease(expected));  // its bytes may be of last week
    return expected;
}
// [/region]

void Registry::State::finish_upload(HttpExchange& exchange, const Route& route) {
    const auto upload = uploads.find(route.name, route.reference);
    const auto alone = write_alone(*upload);
    check_range(exchange.request(), route, upload->ingest.size());
    try {
        const Digest digest = commit(exchange, route, *upload);
        uploads.end(route.reference);
        respond_created(exchange, route, digest);
    } catch (...) {
        if (upload->ended) {
            uploads.end(route.reference);
        }
        throw;
    }
}

void Registry::State::cancel_upload(HttpExchange& exchange, const Route& route) {
    {
        const auto upload = uploads.find(route.name, route.reference);
        const auto alone = write_alone(*upload);
        upload->ended = true;
        uploads.end(route.reference);
    }  // here its bytes go
    exchange.respond(204, {}, "");
}

}  // namespace drydock
