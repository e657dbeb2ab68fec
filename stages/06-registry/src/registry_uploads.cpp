// How a client sends a blob: in one piece, or in parts that go on after a cut.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "registry_client.hpp"

namespace drydock {
namespace {

/// "0-99" is what a registry has of an upload; nothing, or something else, is 0 bytes.
std::uint64_t end_of_range(const std::string* range) {
    if (range == nullptr) {
        return 0;
    }
    const std::size_t dash = range->find('-');
    std::uint64_t last = 0;
    const char* end = range->data() + range->size();
    if (dash == std::string::npos ||
        std::from_chars(range->data() + dash + 1, end, last).ec != std::errc{}) {
        return 0;
    }
    return *range == "0-0" ? 0 : last + 1;  // docker's registry says "0-0" of nothing at all
}

HttpHeaders of_bytes() {
    return {{.name = "Content-Type", .value = "application/octet-stream"}};
}

}  // namespace

std::string RegistryClient::begin_upload() {
    const HttpReply begun =
        call({.method = "POST", .url = url("blobs", "uploads/")}, "begin an upload");
    const std::string* location = find_header(begun.headers, "Location");
    if (begun.status != 202 || location == nullptr) {
        fail(begun, "POST");
    }
    return resolve_url(begun.url, *location);
}

void RegistryClient::finish_upload(HttpCall put, const std::string& target, const Digest& digest) {
    put.method = "PUT";
    put.url =
        fmt::format("{}{}digest={}", target, target.find('?') == std::string::npos ? '?' : '&',
                    escape_url(digest.text()));
    put.headers = of_bytes();
    const HttpReply done = call(std::move(put), "the upload's end, with its digest");
    if (done.status != 201) {
        fail(done, "PUT");
    }
}

void RegistryClient::send_whole(int fd, const oci::Descriptor& blob,
                                const std::function<void(std::uint64_t)>& progressed) {
    const std::string target = begin_upload();
    finish_upload({.upload_fd = fd, .upload_size = blob.size, .uploaded = progressed}, target,
                  blob.digest);
}

HttpReply RegistryClient::send_part(int fd, const std::string& target, std::uint64_t begin,
                                    std::uint64_t end,
                                    const std::function<void(std::uint64_t)>& progressed) {
    HttpCall patch{.method = "PATCH", .url = target, .headers = of_bytes()};
    patch.headers.push_back(
        {.name = "Content-Range", .value = fmt::format("{}-{}", begin, end - 1)});
    patch.upload_fd = fd;
    patch.upload_offset = begin;
    patch.upload_size = end - begin;
    patch.uploaded = [&](std::uint64_t sent) { progressed(begin + sent); };
    return call(std::move(patch), fmt::format("bytes {} to {} of the blob", begin, end - 1));
}

/// How much of an upload is there; `target` is where to go on with it.
std::uint64_t RegistryClient::ask_offset(std::string& target) {
    const HttpReply reply = call({.url = target}, "how much of it came");
    if (reply.status != 204) {
        fail(reply, "GET");
    }
    if (const std::string* location = find_header(reply.headers, "Location")) {
        target = resolve_url(reply.url, *location);
    }
    return end_of_range(find_header(reply.headers, "Range"));
}

// [region: send-parts]
void RegistryClient::send_parts(int fd, const oci::Descriptor& blob,
                                const std::function<void(std::uint64_t)>& progressed) {
    std::string target = begin_upload();
    std::uint64_t begin = 0;
    for (int attempt = 0; begin < blob.size;) {
        try {
            const HttpReply reply =
                send_part(fd, target, begin, std::min(begin + kUploadPart, blob.size), progressed);
            const std::string* location = find_header(reply.headers, "Location");
            if (reply.status != 202 || location == nullptr) {
                fail(reply, "PATCH");
            }
            target = resolve_url(reply.url, *location);
            begin = std::min(begin + kUploadPart, blob.size);
            attempt = 0;
        } catch (const RegistryError& error) {
            const bool passing = error.status() == 0 || error.status() >= 500;
            if (!passing || attempt + 1 >= retry_.attempts) {
                throw;
            }
            pause(attempt++, nullptr);
            begin = ask_offset(target);
        }
    }
    finish_upload({}, target, blob.digest);
}
// [/region]

void RegistryClient::send_blob(const ContentStore& store, const oci::Descriptor& blob,
                               const std::function<void(std::uint64_t)>& progressed) {
    const UniqueFd file = store.open(blob.digest);
    if (blob.size > kUploadPart) {
        return send_parts(file.get(), blob, progressed);
    }
    for (int attempt = 0;; ++attempt) {
        try {
            return send_whole(file.get(), blob, progressed);
        } catch (const RegistryError& error) {
            // The blob has its digest for a name: sent twice, it is there once.
            const bool passing = error.status() == 0 || error.status() >= 500;
            if (!passing || attempt + 1 >= retry_.attempts) {
                throw;
            }
            pause(attempt, nullptr);
        }
    }
}

void RegistryClient::send_blob(const oci::Descriptor& blob,
                               const std::function<std::size_t(std::span<char>)>& source) {
    const std::string target = begin_upload();
    finish_upload({.upload_size = blob.size, .source = source}, target, blob.digest);
}

}  // namespace drydock
