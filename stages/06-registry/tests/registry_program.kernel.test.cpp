// The registry, pull and push as programs. Needs root: layers hold files of any owner.
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "serving_program.hpp"
#include "transfer_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

TEST_CASE("drydock-06 serve: killed within an upload it starts again clean", "[06][program]") {
    const TempDir directory("drydock-test-");
    const fs::path root = directory.path() / "root";
    {
        ServingProgram serving(root);
        const RawClient client(serving.address());
        const Digest digest = digest_of("whatever");
        client.send(
            fmt::format("POST /v2/a/blobs/uploads/?digest={} HTTP/1.1\r\nHost: "
                        "x\r\nContent-Length: 99999\r\n\r\n{}",
                        digest.text(), std::string(50'000, 'x')));
        for (int i = 0; i < 500 && fs::is_empty(root / "tmp"); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        CHECK_FALSE(fs::is_empty(root / "tmp"));
        CHECK(serving.end(SIGKILL) == 128 + SIGKILL);
    }
    ServingProgram serving(root);
    HttpClient client;
    CHECK(client.call({.url = "http://" + serving.address() + "/v2/"}).status == 200);
    CHECK(fs::is_empty(root / "tmp"));
    CHECK(fs::is_empty(root / "blobs/sha256"));
    CHECK(serving.end(SIGTERM) == 0);
}

TEST_CASE("drydock-06 serve: waits in less than 10 MiB", "[06][program]") {
    if (kSanitized) {
        skip_test("a program with sanitizers is larger");
        return;
    }
    const TempDir directory("drydock-test-");
    const ServingProgram serving(directory.path() / "root");
    const auto resident_kib = [&] {
        const std::string status = read_file(fmt::format("/proc/{}/status", serving.pid()));
        return std::stoul(status.substr(status.find("VmRSS:") + 6));
    };
    constexpr unsigned long kTenMiB = 10 * 1024;
    for (int i = 0; i < 500 && resident_kib() >= kTenMiB; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(resident_kib() < kTenMiB);
}

TEST_CASE("drydock-06: push and pull as programs, wrong use in one line", "[06][program]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name);
    const std::string text = familiar(name);
    const Outcome pushed =
        run_program({"drydock-06", "push", "--data-root", at.store.data_root(), text});
    CHECK(pushed.status == 0);
    CHECK_THAT(pushed.out, ContainsSubstring("1: digest: " + image.manifest.digest.text()));
    const Outcome pulled =
        run_program({"drydock-06", "pull", "--data-root", at.other.data_root(), text});
    CHECK(pulled.status == 0);
    CHECK_THAT(pulled.out, ContainsSubstring("Digest: " + image.manifest.digest.text() +
                                             "\nStatus: Downloaded newer image"));

    const auto fails = [](const std::vector<std::string>& argv, int status) {
        const Outcome outcome = run_program(argv);
        CHECK(outcome.status == status);
        CHECK(std::ranges::count(outcome.err, '\n') <= 2);
        return outcome.err;
    };
    CHECK_THAT(fails({"drydock-06", "pull", "--data-root", at.other.data_root(), "A"}, 1),
               ContainsSubstring("drydock-06: "));
    CHECK_THAT(
        fails({"drydock-06", "pull", "--data-root", at.other.data_root(), "127.0.0.1:1/x"}, 1),
        ContainsSubstring("cannot reach http://127.0.0.1:1"));
    const std::string root = at.directory.path() / "r";
    CHECK_THAT(fails({"drydock-06", "serve", "--root", root, "--listen", "0.0.0.0:0"}, 125),
               ContainsSubstring("others could reach it"));
    CHECK_THAT(fails({"drydock-06", "serve", "--root", root, "--listen", at.server.address()}, 125),
               ContainsSubstring("another process listens there"));
    CHECK_THAT(fails({"drydock-06", "serve", "--root", at.directory.path() / "root", "--listen",
                      "127.0.0.1:0"},
                     125),
               ContainsSubstring("another registry serves it"));
    CHECK_THAT(fails({"drydock-06", "serve"}, 125), ContainsSubstring("--root is required"));
}

TEST_CASE("Registry: skopeo copies there and back", "[06][peer]") {
    if (!installed_or_skipped("skopeo")) {
        return;
    }
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name);
    push(at.store, name, {}, {});
    const std::string docker = "docker://" + at.server.address() + "/";
    const std::string layout = "oci:" + (at.directory.path() / "layout").native() + ":x";
    const std::vector<std::string> skopeo = {"skopeo",
                                             "--insecure-policy",
                                             "copy",
                                             "--preserve-digests",
                                             "--src-tls-verify=false",
                                             "--dest-tls-verify=false"};
    const auto copy = [&](const std::string& from, const std::string& to) {
        std::vector<std::string> argv = skopeo;
        argv.insert(argv.end(), {from, to});
        const Outcome outcome = run_program(argv);
        INFO(outcome.err);
        CHECK(outcome.status == 0);
    };
    copy(docker + "a:1", layout);
    copy(layout, docker + "b/c:2");
    CHECK(pull(at.other, at.reference("b/c:2"), {}, {}) == image.manifest.digest.text());
    const Outcome tags = run_program({"skopeo", "list-tags", "--tls-verify=false", docker + "b/c"});
    CHECK_THAT(tags.out, ContainsSubstring("\"2\""));
    CHECK(run_program({"skopeo", "delete", "--tls-verify=false", docker + "b/c:2"}).status == 0);
    CHECK_THAT(message_of([&] { pull(at.other, at.reference("b/c:2"), {}, {}); }),
               ContainsSubstring("manifest unknown"));
}
