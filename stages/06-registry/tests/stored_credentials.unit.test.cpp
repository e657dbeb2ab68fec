#include "06-registry/stored_credentials.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"
#include "06-registry/base64.hpp"

#include "testing/catch.hpp"

using namespace drydock;
using drydock::testing::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

/// $DOCKER_CONFIG, and programs in front of PATH, for one test.
struct DockerConfig {
    TempDir directory{"drydock-test-"};
    std::string path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe)

    DockerConfig() {
        // NOLINTBEGIN(concurrency-mt-unsafe)
        ::setenv("DOCKER_CONFIG", directory.path().c_str(), 1);
        ::setenv("PATH", (directory.path().native() + ":" + path).c_str(), 1);
        // NOLINTEND(concurrency-mt-unsafe)
    }
    ~DockerConfig() {
        ::unsetenv("DOCKER_CONFIG");        // NOLINT(concurrency-mt-unsafe)
        ::setenv("PATH", path.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    }
    void config(const std::string& text) const {
        std::ofstream(directory.path() / "config.json") << text;
    }
    void helper(const std::string& name, const std::string& script) const {
        const fs::path file = directory.path() / ("docker-credential-" + name);
        std::ofstream(file) << "#!/bin/sh\n" << script;
        fs::permissions(file, fs::perms(0755));
    }
};

}  // namespace

TEST_CASE("stored_credentials: of auths, by the registry's name", "[06][auth]") {
    const DockerConfig docker;
    CHECK(stored_credentials("r.example:5000").user.empty());
    // "ann:s3:cret" and "hub:x"
    docker.config(
        R"({"auths":{"r.example:5000":{"auth":"YW5uOnMzOmNyZXQ="},"https://index.docker.io/v1/":{"auth":"aHViOng="},"empty":{}}})");
    CHECK(stored_credentials("r.example:5000").user == "ann");
    CHECK(stored_credentials("r.example:5000").password == "s3:cret");
    CHECK(stored_credentials("docker.io").user == "hub");
    CHECK(stored_credentials("r.example").user.empty());
    CHECK(stored_credentials("empty").user.empty());
    docker.config("[");
    CHECK_THROWS_AS(stored_credentials("docker.io"), InputError);
}

TEST_CASE("stored_credentials: a helper is asked on its stdin, and its word holds", "[06][auth]") {
    const DockerConfig docker;
    docker.config(R"({"credHelpers":{"r.example":"one"},"credsStore":"all"})");
    docker.helper("one",
                  "read server; test \"$1\" = get || exit 9\n"
                  "printf '{\"ServerURL\":\"%s\",\"Username\":\"u-%s\",\"Secret\":\"p\"}' "
                  "\"$server\" \"$server\"");
    docker.helper("all", "echo credentials not found in native keychain; exit 1");
    CHECK(stored_credentials("r.example").user == "u-r.example");
    CHECK(stored_credentials("r.example").password == "p");
    CHECK(stored_credentials("docker.io").user.empty());
    docker.helper("all", "echo keychain is locked; exit 1");
    CHECK_THROWS_WITH(stored_credentials("docker.io"),
                      ContainsSubstring("docker-credential-all get: exit status 1: keychain"));
    docker.config(R"({"credsStore":"none-such"})");
    CHECK_THROWS_WITH(stored_credentials("docker.io"),
                      ContainsSubstring("docker-credential-none-such: "));
    docker.config(R"({"credsStore":"../x"})");
    CHECK_THROWS_AS(stored_credentials("docker.io"), InputError);
}

namespace {

std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("store_credentials: what is kept comes back, and the rest of the file stays",
          "[06][auth]") {
    const DockerConfig docker;
    const fs::path file = docker.directory.path() / "config.json";
    docker.config(
        R"({"auths":{"other:1":{"auth":"YTpi"}},"psFormat":"x","HttpHeaders":{"A":"b"}})");
    fs::permissions(file, fs::perms(0644));
    CHECK(store_credentials("r.example:5000", {.user = "ann", .password = "s3:cret"}) == file);
    CHECK(stored_credentials("r.example:5000").user == "ann");
    CHECK(stored_credentials("r.example:5000").password == "s3:cret");
    CHECK(stored_credentials("other:1").user == "a");
    CHECK(fs::status(file).permissions() == fs::perms(0600));
    CHECK_THAT(text_of(file), ContainsSubstring("psFormat") && ContainsSubstring("HttpHeaders"));

    store_credentials("docker.io", {.identity_token = "t0ken"});
    CHECK_THAT(text_of(file), ContainsSubstring("https://index.docker.io/v1/"));
    CHECK(stored_credentials("docker.io").identity_token == "t0ken");
    CHECK(stored_credentials("docker.io").user.empty());

    CHECK(erase_credentials("r.example:5000"));
    CHECK_FALSE(erase_credentials("r.example:5000"));
    CHECK(stored_credentials("r.example:5000").anonymous());
    CHECK(stored_credentials("other:1").user == "a");
    docker.config("[");
    CHECK_THROWS_AS(store_credentials("x:1", {.user = "a", .password = "b"}), InputError);
    CHECK(text_of(file) == "[");
}

TEST_CASE("store_credentials: a helper keeps them, the file holds no secret", "[06][auth]") {
    const DockerConfig docker;
    docker.helper("keep", R"(
d=$DOCKER_CONFIG/kept
case $1 in
    store) cat >"$d" ;;
    get) [ -e "$d" ] && cat "$d" || { echo "credentials not found in native keychain"; exit 1; } ;;
    erase) [ -e "$d" ] && rm "$d" || { echo "credentials not found in native keychain"; exit 1; } ;;
esac
)");
    docker.config(R"({"credsStore":"keep"})");
    CHECK(stored_credentials("r:1").anonymous());
    CHECK(store_credentials("r:1", {.user = "ann", .password = "s3cret"}).empty());
    CHECK(stored_credentials("r:1").password == "s3cret");
    CHECK(text_of(docker.directory.path() / "config.json").find("s3cret") == std::string::npos);
    store_credentials("r:1", {.identity_token = "t0ken"});
    CHECK(stored_credentials("r:1").identity_token == "t0ken");
    CHECK(erase_credentials("r:1"));
    CHECK_FALSE(fs::exists(docker.directory.path() / "kept"));
    docker.helper("keep", "echo broken; exit 3");
    CHECK_THROWS_WITH(store_credentials("r:1", {.user = "a", .password = "b"}),
                      ContainsSubstring("docker-credential-keep store: exit status 3: broken"));
}

TEST_CASE("registry_domain and registry_of_image: docker's rules", "[06][auth]") {
    CHECK(registry_domain("") == "docker.io");
    CHECK(registry_domain("https://index.docker.io/v1/") == "docker.io");
    CHECK(registry_domain("http://host:5000/v2/") == "host:5000");
    CHECK(registry_of_image("a/b:1") == "docker.io");
    CHECK(registry_of_image("localhost/b") == "localhost");
    CHECK(registry_of_image("host:5000/a/b@sha256:x") == "host:5000");
    CHECK(registry_of_image("busybox:1.2") == "docker.io");
}

TEST_CASE("base64: there and back, with padding and without", "[06][auth]") {
    for (const std::string text : {"", "a", "ab", "abc", "\xff\xfe\xfd?>"}) {
        CHECK(from_base64(to_base64(text)) == text);
        CHECK(from_base64(to_base64(text, true)) == text);
    }
    CHECK(to_base64("ann:s3:cret") == "YW5uOnMzOmNyZXQ=");
    CHECK(to_base64("\xff\xfe", true) == "__4=");
    CHECK_FALSE(from_base64("a*b").has_value());
}
