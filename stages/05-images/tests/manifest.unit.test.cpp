#include "05-images/manifest.hpp"

#include "01-chroot/error.hpp"
#include "05-images/image_config.hpp"

#include "testing/catch.hpp"

using drydock::choose_platform;
using drydock::InputError;
using drydock::parse_image_config;
using drydock::parse_index;
using drydock::parse_manifest;
using drydock::to_text;
using drydock::testing::ContainsSubstring;

namespace {

const std::string kDigest =
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string kManifest = std::string(drydock::media_type::kOciManifest);
const std::string kIndex = std::string(drydock::media_type::kOciIndex);

std::string descriptor(const std::string& type) {
    return R"({"mediaType":")" + type + R"(","digest":")" + kDigest + R"(","size":7})";
}

const std::string kConfig = R"("config":)" + descriptor("application/vnd.oci.image.config.v1+json");
const std::string kLayers =
    R"("layers":[)" + descriptor("application/vnd.oci.image.layer.v1.tar+gzip") + "]";
const std::string kManifests = R"("manifests":[)" + descriptor(kManifest) + "]";

}  // namespace

TEST_CASE("parse_manifest: OCI and docker schema 2 say the same", "[05][manifest]") {
    const std::string type = GENERATE(std::string(drydock::media_type::kOciManifest),
                                      std::string(drydock::media_type::kDockerManifest));
    const std::string text = R"({"schemaVersion":2,"mediaType":")" + type + "\"," + kConfig + "," +
                             kLayers + R"(,"annotations":{"a":"b"}})";
    const drydock::oci::Manifest manifest = parse_manifest(text, type, "m");
    CHECK(manifest.media_type == type);
    CHECK(manifest.config.digest.text() == kDigest);
    CHECK(manifest.layers.at(0).size == 7);
    CHECK(manifest.annotations.at("a") == "b");
    const drydock::oci::Manifest again = parse_manifest(to_text(manifest), type, "m");
    CHECK(to_text(again) == to_text(manifest));
}

TEST_CASE("parse_manifest: what two readers could understand differently is refused",
          "[05][manifest]") {
    const auto [text, error] = GENERATE_COPY(table<std::string, std::string>({
        {"", "not JSON"},
        {"[]", "expected an object"},
        {"{}", "\"schemaVersion\" is missing"},
        {"{" + kConfig + "," + kLayers + "}", "\"schemaVersion\" is missing"},
        {R"({"schemaVersion":1,)" + kConfig + "," + kLayers + "}", "/schemaVersion: expected 2"},
        {R"({"schemaVersion":2,)" + kLayers + "}", "\"config\" is missing"},
        {R"({"schemaVersion":2,)" + kConfig + "}", "\"layers\" is missing"},
        {R"({"schemaVersion":2,)" + kConfig + "," + kLayers + "," + kManifests + "}",
         "ambiguous between manifest and index"},
        {R"({"schemaVersion":2,)" + kConfig + "," + kLayers + R"(,"manifests":[]})", "ambiguous"},
        {R"({"schemaVersion":2,)" + kConfig + "," + kLayers + R"(,"fsLayers":[]})", "ambiguous"},
        {R"({"schemaVersion":2,"schemaVersion":2,)" + kConfig + "," + kLayers + "}",
         "\"schemaVersion\" occurs twice"},
        {R"({"schemaVersion":2,)" + kConfig + "," + kConfig + "," + kLayers + "}",
         "\"config\" occurs twice"},
        {R"({"schemaVersion":2,"mediaType":")" + kIndex + "\"," + kConfig + "," + kLayers + "}",
         "announced as"},
        {R"({"schemaVersion":2,)" + kConfig + R"(,"layers":{}})", "/layers: expected an array"},
        {R"({"schemaVersion":2,)" + kConfig +
             R"(,"layers":[{"mediaType":"x","digest":"sha256:12","size":1}]})",
         "/layers/0/digest"},
        {R"({"schemaVersion":2,)" + kConfig + R"(,"layers":[{"mediaType":"x","digest":")" +
             kDigest + R"(","size":-1}]})",
         "/layers/0/size: expected a whole number"},
        {R"({"schemaVersion":2,)" + kConfig + R"(,"layers":[{"digest":")" + kDigest +
             R"(","size":1}]})",
         "at /layers/0: \"mediaType\" is missing"},
        {R"({"schemaVersion":2,)" + kConfig + "," + kLayers + "} x", "not JSON"},
        {R"({"schemaVersion":2,)" + kConfig + "," + kLayers + ",\"a\":\"\xff\"}", "not JSON"},
        {std::string(100, '['), "nested deeper"},
    }));
    INFO(text);
    CHECK_THROWS_AS(parse_manifest(text, kManifest, "m"), InputError);
    CHECK_THROWS_WITH(parse_manifest(text, kManifest, "m"), ContainsSubstring(error));
    CHECK_THROWS_WITH(parse_manifest(text, kManifest, "m"), ContainsSubstring("m: "));
}

TEST_CASE("parse_manifest: the document may say what it is when nobody else does",
          "[05][manifest]") {
    CHECK(parse_manifest(R"({"schemaVersion":2,)" + kConfig + "," + kLayers + "}", "", "m")
              .media_type == kManifest);
    CHECK_THROWS_AS(parse_manifest(R"({"schemaVersion":2,"mediaType":"text/plain",)" + kConfig +
                                       "," + kLayers + "}",
                                   "", "m"),
                    InputError);
    CHECK_THROWS_AS(parse_manifest(std::string(drydock::kMaxManifestSize + 1, ' '), kManifest, "m"),
                    InputError);
}

TEST_CASE("parse_index: an index is no manifest", "[05][manifest]") {
    CHECK(parse_index(R"({"schemaVersion":2,)" + kManifests + "}", kIndex, "i").manifests.size() ==
          1);
    CHECK_THROWS_WITH(
        parse_index(R"({"schemaVersion":2,)" + kManifests + "," + kLayers + "}", kIndex, "i"),
        ContainsSubstring("ambiguous"));
    CHECK_THROWS_WITH(
        parse_index(R"({"schemaVersion":2,)" + kManifests + "," + kConfig + "}", kIndex, "i"),
        ContainsSubstring("ambiguous"));
    CHECK_THROWS_AS(parse_index(R"({"schemaVersion":2})", kIndex, "i"), InputError);
}

TEST_CASE("choose_platform: the entry of this machine's kind", "[05][manifest]") {
    const auto entry = [](const std::string& os, const std::string& architecture) {
        return R"({"mediaType":"x","digest":")" + kDigest + R"(","size":1,"annotations":{"for":")" +
               architecture + R"("},"platform":{"os":")" + os + R"(","architecture":")" +
               architecture + R"("}})";
    };
    const auto index =
        parse_index(R"({"schemaVersion":2,"manifests":[)" + entry("unknown", "unknown") + "," +
                        entry("linux", "arm64") + "," + entry("linux", "amd64") + "]}",
                    kIndex, "i");
    CHECK(choose_platform(index, {.os = "linux", .architecture = "amd64"}).annotations.at("for") ==
          "amd64");
    CHECK(choose_platform(index, {.os = "linux", .architecture = "arm64", .variant = "v8"})
              .annotations.at("for") == "arm64");
    CHECK_THROWS_WITH(choose_platform(index, {.os = "linux", .architecture = "riscv64"}),
                      "no matching manifest for linux/riscv64 in the manifest list entries");
}

TEST_CASE("parse_image_config: everything docker's inspect shows is read and written back",
          "[05][image-config]") {
    const std::string text =
        R"({"architecture":"amd64","author":"me","config":{"Cmd":["a","b"],"Entrypoint":["e"],"Env":["A=1"],)"
        R"("ExposedPorts":{"80/tcp":{}},"Healthcheck":{"Interval":5,"Test":["NONE"]},"Labels":{"k":"v"},"OnBuild":["RUN x"],)"
        R"("Shell":["/bin/ash","-c"],"StopSignal":"SIGINT","User":"u","Volumes":{"/v":{}},"WorkingDir":"/w"},)"
        R"("created":"2026-01-02T03:04:05Z","history":[{"created_by":"x","empty_layer":true}],"os":"linux",)"
        R"("rootfs":{"diff_ids":[")" +
        kDigest + R"("],"type":"layers"}})";
    CHECK(to_text(parse_image_config(text, "c")) == text);
}

TEST_CASE("parse_image_config: no cmd and an empty cmd are not the same", "[05][image-config]") {
    const std::string text =
        R"({"architecture":"a","config":{"Cmd":null,"Entrypoint":[]},"os":"l","rootfs":{"diff_ids":[],"type":"layers"}})";
    const auto config = parse_image_config(text, "c").config;
    CHECK_FALSE(config.cmd.has_value());
    CHECK(config.entrypoint.has_value());
}

TEST_CASE("parse_image_config: an error has the place", "[05][image-config]") {
    const auto [text, error] = GENERATE(table<std::string, std::string>({
        {"{}", "at /: \"os\" is missing"},
        {R"({"os":"l","architecture":"a"})", "at /: \"rootfs\" is missing"},
        {R"({"os":"l","architecture":"a","rootfs":{"diff_ids":["../x"]}})",
         "at /rootfs/diff_ids/0"},
        {R"({"os":"l","architecture":"a","rootfs":{"diff_ids":[1]}})",
         "at /rootfs/diff_ids/0: expected a string"},
        {R"({"os":"l","architecture":"a","rootfs":{"diff_ids":[]},"config":{"Cmd":"x"}})",
         "at /config/Cmd: expected an array"},
        {R"({"os":"l","architecture":"a","rootfs":{"diff_ids":[]},"config":{"Env":[1]}})",
         "at /config/Env/0: expected a string"},
        {R"({"os":"l","architecture":"a","rootfs":{"diff_ids":[]},"config":{"Labels":{"a/b":1}}})",
         "at /config/Labels/a~1b: expected a string"},
        {R"({"os":7,"architecture":"a"})", "at /os: expected a string"},
    }));
    INFO(text);
    CHECK_THROWS_WITH(parse_image_config(text, "c"), ContainsSubstring(error));
}
