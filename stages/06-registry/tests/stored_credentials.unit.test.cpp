#include "06-registry/stored_credentials.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "01-chroot/error.hpp"
#include "01-chroot/temp_dir.hpp"

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
