// What the OCI distribution-spec 1.1 requires of a registry, section "Content Discovery";
// docs/conformance.md has the table.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "registry_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

namespace {

const std::string kSubject = "sha256:" + std::string(64, '1');

/// A manifest about kSubject, or, as an index, one that lists nothing.
nlohmann::json about_subject(RegistryFixture& registry, bool index = false) {
    nlohmann::json text = {
        {"schemaVersion", 2},
        {"mediaType", index ? kIndexType : kManifestType},
        {"subject", {{"mediaType", kManifestType}, {"digest", kSubject}, {"size", 1}}}};
    if (index) {
        text["manifests"] = nlohmann::json::array();
    } else {
        text["config"] = {{"mediaType", "application/x.config"},
                          {"digest", registry.push_blob("a", "{}").text()},
                          {"size", 2}};
        text["layers"] = nlohmann::json::array();
    }
    return text;
}

std::string put(RegistryFixture& registry, const nlohmann::json& manifest) {
    const std::string text = manifest.dump();
    const std::string digest = digest_of(text).text();
    REQUIRE(registry.put_manifest("a", digest, text, manifest.at("mediaType")).status == 201);
    return digest;
}

nlohmann::json referrers(RegistryFixture& registry, const std::string& query = "") {
    const HttpReply reply = registry.ask("GET", "/v2/a/referrers/" + kSubject + query);
    REQUIRE(reply.status == 200);
    return nlohmann::json::parse(reply.body).at("manifests");
}

/// The target of a Link header, RFC 8288: <target>; rel="next".
std::string next_of(const HttpReply& reply) {
    const std::string link = header(reply, "Link");
    const std::size_t end = link.find(">; rel=\"next\"");
    return link.starts_with('<') && end != std::string::npos ? link.substr(1, end - 1) : "";
}

nlohmann::json tags_of(const HttpReply& reply) {
    CHECK(reply.status == 200);
    return nlohmann::json::parse(reply.body).at("tags");
}

}  // namespace

TEST_CASE("distribution-spec, Listing Tags: 200, name and tags in order",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    for (const char* tag : {"b", "10", "_x", "Z", "a", "9"}) {
        registry.push_image("x/y", tag, "layer");
    }
    const HttpReply reply = registry.ask("GET", "/v2/x/y/tags/list");
    CHECK(reply.status == 200);
    CHECK(nlohmann::json::parse(reply.body) ==
          nlohmann::json::parse(R"({"name":"x/y","tags":["10","9","Z","_x","a","b"]})"));
    CHECK(registry.ask("GET", "/v2/x/tags/list").status == 404);
}

TEST_CASE("distribution-spec, Listing Tags: a repository without tags has an empty list",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const std::string text = registry.push_image("a", "v1", "layer");
    CHECK(registry.ask("DELETE", "/v2/a/manifests/v1").status == 202);
    CHECK(tags_of(registry.ask("GET", "/v2/a/tags/list")) == nlohmann::json::array());
}

TEST_CASE("distribution-spec, Listing Tags: n and last, and a Link that leads through all",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const nlohmann::json all = {"a", "b", "c", "d", "e"};
    for (const auto& tag : all) {
        registry.push_image("x", tag.get<std::string>(), "layer");
    }
    const std::string list = "/v2/x/tags/list";
    CHECK(tags_of(registry.ask("GET", list + "?n=2")) == nlohmann::json({"a", "b"}));
    CHECK(tags_of(registry.ask("GET", list + "?n=2&last=b")) == nlohmann::json({"c", "d"}));
    CHECK(tags_of(registry.ask("GET", list + "?last=c")) == nlohmann::json({"d", "e"}));
    CHECK(tags_of(registry.ask("GET", list + "?last=bb")) == nlohmann::json({"c", "d", "e"}));
    CHECK(tags_of(registry.ask("GET", list + "?last=e")) == nlohmann::json::array());
    CHECK(tags_of(registry.ask("GET", list + "?n=99")) == all);
    const HttpReply none = registry.ask("GET", list + "?n=0");
    CHECK(tags_of(none) == nlohmann::json::array());
    CHECK(header(none, "Link").empty());
    nlohmann::json walked = nlohmann::json::array();
    for (std::string at = list + "?n=2"; !at.empty();) {
        const HttpReply reply = registry.ask("GET", at);
        const nlohmann::json page = tags_of(reply);
        walked.insert(walked.end(), page.begin(), page.end());
        at = next_of(reply);
        REQUIRE(walked.size() <= all.size());
    }
    CHECK(walked == all);
}

TEST_CASE("distribution-spec, Listing Referrers: an empty index where nothing refers, never 404",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    for (const char* name : {"a", "never/pushed"}) {
        const HttpReply reply =
            registry.ask("GET", fmt::format("/v2/{}/referrers/{}", name, kSubject));
        INFO(name);
        CHECK(reply.status == 200);
        CHECK(header(reply, "Content-Type") == kIndexType);
        const auto index = nlohmann::json::parse(reply.body);
        CHECK(index.at("schemaVersion") == 2);
        CHECK(index.at("mediaType") == kIndexType);
        CHECK(index.at("manifests") == nlohmann::json::array());
    }
}

TEST_CASE("distribution-spec, Listing Referrers: what is no digest is 400",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    for (const char* wrong : {"latest", "sha256:", "sha256:12", "md5:00", "sha256"}) {
        INFO(wrong);
        CHECK(registry.ask("GET", std::string("/v2/a/referrers/") + wrong).status == 400);
    }
}

TEST_CASE(
    "distribution-spec, Listing Referrers: artifactType is the manifest's own or its config's",
    "[06][registry][conformance]") {
    RegistryFixture registry;
    nlohmann::json own = about_subject(registry);
    own["artifactType"] = "application/x.own";
    own["annotations"] = {{"k", "v"}};
    const std::string own_digest = put(registry, own);
    const std::string config_digest = put(registry, about_subject(registry));
    nlohmann::json empty = about_subject(registry);
    empty["artifactType"] = "";
    const std::string empty_digest = put(registry, empty);
    std::map<std::string, nlohmann::json> found;
    for (const auto& entry : referrers(registry)) {
        found[entry.at("digest")] = entry;
    }
    REQUIRE(found.size() == 3);
    CHECK(found[own_digest].at("artifactType") == "application/x.own");
    CHECK(found[own_digest].at("mediaType") == kManifestType);
    CHECK(found[own_digest].at("size") == own.dump().size());
    CHECK(found[own_digest].at("annotations") == own["annotations"]);
    CHECK(found[config_digest].at("artifactType") == "application/x.config");
    CHECK(found[empty_digest].at("artifactType") == "application/x.config");
}

TEST_CASE("distribution-spec, Listing Referrers: an index without artifactType is listed without",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    nlohmann::json index = about_subject(registry, true);
    index["annotations"] = {{"k", "v"}};
    put(registry, index);
    auto list = referrers(registry);
    REQUIRE(list.size() == 1);
    CHECK(list[0].at("mediaType") == kIndexType);
    CHECK(list[0].at("annotations") == index["annotations"]);
    CHECK_FALSE(list[0].contains("artifactType"));
    index["artifactType"] = "application/x.index";
    put(registry, index);
    CHECK(referrers(registry, "?artifactType=application/x.index").size() == 1);
}

TEST_CASE("distribution-spec, Listing Referrers: a filter that was applied is named",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    put(registry, about_subject(registry));
    const std::string path = "/v2/a/referrers/" + kSubject;
    CHECK(header(registry.ask("GET", path), "OCI-Filters-Applied").empty());
    const HttpReply reply = registry.ask("GET", path + "?artifactType=application/x.none");
    CHECK(header(reply, "OCI-Filters-Applied") == "artifactType");
    CHECK(nlohmann::json::parse(reply.body).at("manifests") == nlohmann::json::array());
    CHECK(referrers(registry, "?artifactType=application/x.config").size() == 1);
}

TEST_CASE("distribution-spec, Listing Referrers: a list beyond one manifest goes on at a Link",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    std::set<std::string> pushed;
    for (int i = 0; i < 6; ++i) {
        nlohmann::json manifest = about_subject(registry);
        manifest["annotations"] = {{"k", std::string(1'000'000, static_cast<char>('a' + i))}};
        pushed.insert(put(registry, manifest));
    }
    std::set<std::string> found;
    int pages = 0;
    const std::string first = "/v2/a/referrers/" + kSubject + "?artifactType=application/x.config";
    for (std::string at = first; !at.empty(); ++pages) {
        const HttpReply reply = registry.ask("GET", at);
        CHECK(reply.body.size() <= std::size_t{4} << 20U);
        CHECK(header(reply, "OCI-Filters-Applied") == "artifactType");
        const nlohmann::json page = nlohmann::json::parse(reply.body);
        for (const auto& entry : page.at("manifests")) {
            CHECK(found.insert(entry.at("digest")).second);
        }
        at = next_of(reply);
        REQUIRE(pages < 10);
    }
    CHECK(pages > 1);
    CHECK(found == pushed);
}

TEST_CASE("distribution-spec, Enabling the Referrers API: what clients listed by tag is listed",
          "[06][registry][conformance]") {
    RegistryFixture registry;
    const nlohmann::json manifest = about_subject(registry);
    const std::string digest = put(registry, manifest);
    // As a registry leaves it that did not know of subjects.
    std::filesystem::remove_all(registry.root / "repositories/a/_referrers");
    CHECK(referrers(registry).empty());
    nlohmann::json other = about_subject(registry);
    other["subject"]["digest"] = kAbsent;
    const nlohmann::json index = {
        {"schemaVersion", 2},
        {"mediaType", kIndexType},
        {"manifests",
         {{{"mediaType", kManifestType}, {"digest", digest}, {"size", manifest.dump().size()}},
          {{"mediaType", kManifestType},
           {"digest", put(registry, other)},
           {"size", other.dump().size()}}}}};
    REQUIRE(registry.put_manifest("a", "sha256-" + kSubject.substr(7), index.dump(), kIndexType)
                .status == 201);
    const auto list = referrers(registry);
    REQUIRE(list.size() == 1);  // the other is about something else, whatever the list says
    CHECK(list[0].at("digest") == digest);
    put(registry, manifest);
    CHECK(referrers(registry).size() == 1);  // once, though known in both ways
}
