// Tokens and rules with real clients: our own, and skopeo. Needs root: layers hold files of any
// owner.
#include <csignal>
#include <fstream>

#include <fmt/format.h>

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "serving_program.hpp"
#include "transfer_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

namespace {

/// drydock-06 serve with tokens: ann may everything in team/, bob pulls there.
struct TokenServer {
    TokenServer()
        : files(write_files()),
          program(directory.path() / "root",
                  {"--token-auth", "--htpasswd", directory.path() / "htpasswd", "--access",
                   directory.path() / "rules"}) {}

    bool write_files() const {
        // htpasswd -nbBC 4 NAME secret
        std::ofstream(directory.path() / "htpasswd")
            << "ann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"
            << "bob:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
        std::ofstream(directory.path() / "rules") << "ann team/* pull,push,delete\n"
                                                     "bob team/* pull\n";
        return true;
    }
    Reference reference(const std::string& name) const {
        return parse_reference(program.address() + "/" + name);
    }

    TempDir directory{"drydock-test-"};
    bool files;
    ServingProgram program;
    ImageStore store{directory.path() / "data"};
    ImageStore other{directory.path() / "other"};
    const Credentials ann{.user = "ann", .password = "secret"};
    const Credentials bob{.user = "bob", .password = "secret"};
};

}  // namespace

TEST_CASE("drydock-06 serve: our own client gets its tokens and does what the rules allow",
          "[06][program][token]") {
    TokenServer at;
    const Reference name = at.reference("team/app:1");
    const Image image = make_image(at.store, name);
    CHECK_THAT(message_of([&] { push(at.store, name, at.bob, {}); }), ContainsSubstring("denied"));
    CHECK_THAT(message_of([&] { push(at.store, name, {}, {}); }),
               ContainsSubstring("authentication required"));
    CHECK(push(at.store, name, at.ann, {}) == image.manifest.digest.text());
    CHECK(pull(at.other, name, at.bob, {}) == image.manifest.digest.text());
    CHECK(at.program.end(SIGTERM) == 0);
}

TEST_CASE("drydock-06 serve: skopeo logs in, copies there and back, and deletes by tokens",
          "[06][peer][token]") {
    if (!installed_or_skipped("skopeo")) {
        return;
    }
    TokenServer at;
    const Reference name = at.reference("team/app:1");
    make_image(at.store, name);
    push(at.store, name, at.ann, {});
    const std::string docker = "docker://" + at.program.address() + "/";
    const std::string layout = "oci:" + (at.directory.path() / "layout").native() + ":x";
    const std::string auth = at.directory.path() / "auth.json";
    const auto skopeo = [&](std::vector<std::string> argv) {
        argv.insert(argv.begin(), {"skopeo", "--insecure-policy"});
        return run_program(argv, {"REGISTRY_AUTH_FILE=" + auth});
    };
    const auto login = [&](const std::string& user, const std::string& password) {
        return skopeo({"login", "--tls-verify=false", "-u", user, "-p", password,
                       at.program.address()})
            .status;
    };
    CHECK(login("ann", "wrong") != 0);
    CHECK(login("bob", "secret") == 0);
    CHECK(skopeo({"copy", "--src-tls-verify=false", docker + "team/app:1", layout}).status == 0);
    const Outcome refused =
        skopeo({"copy", "--dest-tls-verify=false", layout, docker + "team/other:2"});
    CHECK(refused.status != 0);
    CHECK_THAT(refused.err, ContainsSubstring("denied"));
    CHECK(skopeo({"delete", "--tls-verify=false", docker + "team/app:1"}).status != 0);
    CHECK(login("ann", "secret") == 0);
    CHECK(skopeo({"copy", "--dest-tls-verify=false", layout, docker + "team/other:2"}).status == 0);
    CHECK_THAT(skopeo({"list-tags", "--tls-verify=false", docker + "team/other"}).out,
               ContainsSubstring("\"2\""));
    const Outcome deleted = skopeo({"delete", "--tls-verify=false", docker + "team/other:2"});
    INFO(deleted.err);
    CHECK(deleted.status == 0);
    CHECK(skopeo({"inspect", "--tls-verify=false", docker + "team/other:2"}).status != 0);
    CHECK(at.program.end(SIGTERM) == 0);
}

TEST_CASE("drydock-06 serve: options about access that do not go together are one clear line",
          "[06][program][token]") {
    const TempDir directory("drydock-test-");
    const std::string root = directory.path() / "root";
    const auto fails = [&](const std::vector<std::string>& flags) {
        std::vector<std::string> argv = {"drydock-06",  "serve",  "--listen",
                                         "127.0.0.1:0", "--root", root};
        argv.insert(argv.end(), flags.begin(), flags.end());
        const Outcome outcome = run_program(argv);
        CHECK(outcome.status == 125);
        CHECK(std::ranges::count(outcome.err, '\n') == 1);
        return outcome.err;
    };
    CHECK_THAT(fails({"--token-auth"}), ContainsSubstring("--token-auth: expected --htpasswd"));
    CHECK_THAT(fails({"--access", "/none"}), ContainsSubstring("--access: expected --htpasswd"));
    CHECK_THAT(fails({"--token-key", "/none"}), ContainsSubstring("--token-realm"));
    CHECK_THAT(fails({"--token-key", "/none", "--token-realm", "https://x"}),
               ContainsSubstring("/none") && ContainsSubstring("No such file"));
    CHECK_THAT(fails({"--token-key", "/none", "--token-auth", "--htpasswd", "/none"}),
               ContainsSubstring("--token-key: somebody else"));
}
