#pragma once

#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/temp_dir.hpp"
#include "04-layers/digest.hpp"
#include "06-registry/http_client.hpp"
#include "06-registry/registry.hpp"

#include "testing/catch.hpp"

#include "raw_client.hpp"

namespace drydock::testing {

namespace fs = std::filesystem;

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";
constexpr const char* kConfigType = "application/vnd.oci.image.config.v1+json";

/// A registry on a port of its own, in a directory of its own, and a client for it.
struct RegistryFixture {
    explicit RegistryFixture(const fs::path& htpasswd = {}, const fs::path& given_root = {})
        : root(given_root.empty() ? directory.path() / "root" : given_root),
          registry({.root = root, .htpasswd = htpasswd}),
          server([this](HttpExchange& exchange) { registry.handle(exchange); }) {}

    TempDir directory{"drydock-test-"};
    fs::path root;
    Registry registry;
    RunningServer server;
    HttpClient client{};

    std::string url(const std::string& path) const { return "http://" + server.address() + path; }
    HttpReply ask(const std::string& method, const std::string& path,
                  const HttpHeaders& headers = {}, const std::string& body = "") {
        return client.call({.method = method, .url = url(path), .headers = headers, .body = body});
    }
    std::string location(const HttpReply& reply) const {
        return *find_header(reply.headers, "Location");
    }
    std::string start(const std::string& name) {
        return location(ask("POST", "/v2/" + name + "/blobs/uploads/"));
    }
    Digest push_blob(const std::string& name, const std::string& bytes) {
        const Digest digest = digest_of(bytes);
        const HttpReply reply = ask(
            "POST", fmt::format("/v2/{}/blobs/uploads/?digest={}", name, digest.text()), {}, bytes);
        REQUIRE(reply.status == 201);
        return digest;
    }
    HttpReply put_manifest(const std::string& name, const std::string& reference,
                           const std::string& text, const std::string& type = kManifestType) {
        return ask("PUT", "/v2/" + name + "/manifests/" + reference,
                   {{.name = "Content-Type", .value = type}}, text);
    }
    /// A whole image. @return its manifest
    std::string push_image(const std::string& name, const std::string& reference,
                           const std::string& layer) {
        const std::string config = "{\"architecture\":\"amd64\",\"os\":\"linux\"}";
        const Digest config_digest = push_blob(name, config);
        const Digest layer_digest = push_blob(name, layer);
        const std::string text = nlohmann::json{
            {"schemaVersion", 2},
            {"mediaType", kManifestType},
            {"config",
             {{"mediaType", kConfigType},
              {"digest", config_digest.text()},
              {"size", config.size()}}},
            {"layers",
             {{{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
               {"digest", layer_digest.text()},
               {"size",
                layer.size()}}}}}.dump();
        REQUIRE(put_manifest(name, reference, text).status == 201);
        return text;
    }
};

inline std::string header(const HttpReply& reply, const char* name) {
    const std::string* value = find_header(reply.headers, name);
    return value == nullptr ? "" : *value;
}

inline std::string code(const HttpReply& reply) {
    return nlohmann::json::parse(reply.body).at("errors").at(0).at("code").get<std::string>();
}

const std::string kAbsent = "sha256:" + std::string(64, '0');

}  // namespace drydock::testing
