#include "06-registry/artifact.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/directory.hpp"
#include "05-images/manifest.hpp"

#include "registry_client.hpp"

namespace drydock {
namespace {

using nlohmann::json;

constexpr const char* kTitle = "org.opencontainers.image.title";
constexpr const char* kEmptyType = "application/vnd.oci.empty.v1+json";
constexpr std::string_view kEmpty = "{}";

json descriptor_of(std::string_view media_type, const Digest& digest, std::uint64_t size) {
    return {{"mediaType", media_type}, {"digest", digest.text()}, {"size", size}};
}

void send_file(RegistryClient& client, int fd, const oci::Descriptor& blob) {
    if (client.has_blob(blob.digest, "the file")) {
        return;
    }
    off_t offset = 0;
    client.send_blob(blob, [&](std::span<char> into) {
        const auto n = check(::pread(fd, into.data(), into.size(), offset), "pread({})", offset);
        offset += n;
        return static_cast<std::size_t>(n);
    });
}

/// Brings the file there. @return its descriptor
json bring_file(RegistryClient& client, const ArtifactFile& file) {
    const UniqueFd fd = open_file(file.path, O_RDONLY);
    struct stat status{};
    check(::fstat(fd.get(), &status), "fstat({})", file.path.native());
    if (!S_ISREG(status.st_mode)) {
        throw InputError(fmt::format("{}: expected a regular file", file.path.native()));
    }
    const oci::Descriptor blob{.media_type = file.media_type,
                               .digest = digest_of_file(fd.get(), file.path.native()),
                               .size = static_cast<std::uint64_t>(status.st_size)};
    send_file(client, fd.get(), blob);
    json result = descriptor_of(blob.media_type, blob.digest, blob.size);
    result["annotations"] = {{kTitle, file.path.filename().native()}};
    return result;
}

void bring_empty(RegistryClient& client) {
    const oci::Descriptor empty{
        .media_type = kEmptyType, .digest = digest_of(kEmpty), .size = kEmpty.size()};
    if (client.has_blob(empty.digest, "the empty configuration")) {
        return;
    }
    std::string_view rest = kEmpty;
    client.send_blob(empty, [&](std::span<char> into) {
        const std::size_t count = rest.copy(into.data(), into.size());
        rest.remove_prefix(count);
        return count;
    });
}

// [region: referrers-tag]
/// Adds the manifest to the index that a registry without a list of referrers has of its subject.
/// @see OCI distribution-spec, "Referrers Tag Schema"
void note_referrer(RegistryClient& client, const Digest& subject, const json& referrer) {
    const std::string tag = fmt::format("sha256-{}", subject.hex());
    json index = {
        {"schemaVersion", 2}, {"mediaType", media_type::kOciIndex}, {"manifests", json::array()}};
    if (client.has_manifest(tag)) {
        index = json::parse(client.manifest(tag, "who referred to it so far").text);
    }
    for (const json& known : index["manifests"]) {
        if (known["digest"] == referrer["digest"]) {
            return;
        }
    }
    index["manifests"].push_back(referrer);
    client.put_manifest(tag, media_type::kOciIndex, index.dump());
}
// [/region]

const std::string& plain_name(const std::string& title) {
    if (title.empty() || title == "." || title == ".." || title.find('/') != std::string::npos ||
        title.find('\0') != std::string::npos) {
        throw InputError(
            fmt::format("artifact: a file called \"{}\": expected a plain name", title));
    }
    return title;
}

void fetch_file(RegistryClient& client, const oci::Descriptor& blob, int directory,
                const std::string& name) {
    const std::string temporary = unused_name(".artifact-");
    try {
        UniqueFd fd = open_at(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
        Sha256 hash;
        std::uint64_t size = 0;
        client.read_blob(blob, "file " + name, [&](std::string_view bytes) {
            size += bytes.size();
            if (size > blob.size) {
                throw InputError(fmt::format("{}: larger than its {} bytes", name, blob.size));
            }
            hash.update(std::as_bytes(std::span(bytes)));
            write_all(fd.get(), bytes, name);
        });
        if (size != blob.size || hash.finish() != blob.digest) {
            throw InputError(fmt::format("{}: is not what {} names", name, blob.digest.text()));
        }
        check(::renameat2(directory, temporary.c_str(), directory, name.c_str(), RENAME_NOREPLACE),
              "renameat2({}, {}, RENAME_NOREPLACE)", temporary, name);
    } catch (...) {
        static_cast<void>(::unlinkat(directory, temporary.c_str(), 0));
        throw;
    }
}

}  // namespace

std::string push_artifact(const Reference& name, const std::vector<ArtifactFile>& files,
                          const Credentials& credentials, const ArtifactOptions& options) {
    RegistryClient client(name, credentials, "pull,push");
    client.explain(options.explain);
    json manifest = {{"schemaVersion", 2},
                     {"mediaType", media_type::kOciManifest},
                     {"artifactType", options.type},
                     {"config", descriptor_of(kEmptyType, digest_of(kEmpty), kEmpty.size())},
                     {"layers", json::array()}};
    bring_empty(client);
    for (const ArtifactFile& file : files) {
        manifest["layers"].push_back(bring_file(client, file));
    }
    if (files.empty()) {
        manifest["layers"].push_back(manifest["config"]);
    }
    if (!options.annotations.empty()) {
        manifest["annotations"] = options.annotations;
    }
    std::optional<Digest> subject;
    if (!options.subject.empty()) {
        const auto about = client.manifest(options.subject, "what the artifact is about");
        subject = about.digest;
        manifest["subject"] = descriptor_of(about.media_type, about.digest, about.text.size());
    }
    const std::string text = manifest.dump();
    const Digest digest = digest_of(text);
    const std::string kept = client.put_manifest(name.tag.empty() ? digest.text() : name.tag,
                                                 media_type::kOciManifest, text);
    if (subject && kept.empty()) {
        json referrer = descriptor_of(media_type::kOciManifest, digest, text.size());
        referrer["artifactType"] = options.type;
        note_referrer(client, *subject, referrer);
    }
    return digest.text();
}

std::vector<std::string> pull_artifact(const Reference& name,
                                       const std::filesystem::path& directory,
                                       const Credentials& credentials,
                                       const std::function<void(const std::string&)>& explain) {
    RegistryClient client(name, credentials, "pull");
    client.explain(explain);
    const auto document = client.manifest(name.digest ? name.digest->text() : name.tag);
    const oci::Manifest manifest =
        parse_manifest(document.text, document.media_type, document.digest.text());
    const UniqueFd into = open_file(directory, O_RDONLY | O_DIRECTORY);
    std::vector<std::string> names;
    for (const oci::Descriptor& blob : manifest.layers) {
        const auto title = blob.annotations.find(kTitle);
        if (title != blob.annotations.end()) {
            fetch_file(client, blob, into.get(), plain_name(title->second));
            names.push_back(title->second);
        }
    }
    return names;
}

}  // namespace drydock
