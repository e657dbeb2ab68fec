#include <fstream>

#include "testing/catch.hpp"

#include "api/test_daemon.hpp"

namespace {

using drydock::testing::ContainsSubstring;
using drydock::testing::HttpRequestUnderWay;
using drydock::testing::Reply;
using drydock::testing::TestDaemon;
using nlohmann::json;

TEST_CASE("build: a Dockerfile in a tar becomes an image, and what is wrong in one is said",
          "[07][build]") {
    const TestDaemon daemon;
    const drydock::TempDir context("drydock-context-");
    std::ofstream(context.path() / "Dockerfile")
        << "FROM drydock/base\nENV A=b\nRUN echo built > /made\nCMD [\"cat\", \"/made\"]\n";
    const auto tar = drydock::testing::run_program({"tar", "-C", context.path(), "-c", "."});
    REQUIRE(tar.status == 0);
    const auto post = [&](const std::string& body) {
        HttpRequestUnderWay build(daemon.socket(), "POST", "/build?t=demo&version=1", "",
                                  "Content-Type: application/x-tar\r\nContent-Length: " +
                                      std::to_string(body.size()) + "\r\n");
        drydock::write_all(build.fd(), body, "context");
        return build.finish();
    };
    const Reply reply = post(tar.out);
    CHECK(reply.status == 200);
    CHECK_THAT(reply.body, ContainsSubstring("Step 1/4") &&
                               ContainsSubstring("Successfully built") &&
                               ContainsSubstring("Successfully tagged demo:latest") &&
                               ContainsSubstring("\"aux\""));
    const json made = daemon.call("POST", "/containers/create", R"({"Image":"demo"})").json();
    const std::string id = made["Id"];
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(daemon.wait(id) == 0);
    CHECK(daemon.logs(id) == "built\n");
    CHECK(daemon.call("DELETE", "/images/demo").status == 409);
    const json jobs = daemon.get("/drydock/jobs").json();
    CHECK(jobs[0]["Kind"] == "build");
    CHECK(jobs[0]["Outcome"] == "done");

    std::ofstream(context.path() / "Dockerfile") << "FROM drydock/base\nRUN exit 7\n";
    const Reply failed =
        post(drydock::testing::run_program({"tar", "-C", context.path(), "-c", "."}).out);
    CHECK(failed.status == 200);
    CHECK_THAT(failed.body, ContainsSubstring("\"errorDetail\"") &&
                                ContainsSubstring("returned a non-zero code: 7"));
    std::ofstream(context.path() / "Dockerfile") << "FORM drydock/base\n";
    CHECK(
        post(drydock::testing::run_program({"tar", "-C", context.path(), "-c", "."}).out).status ==
        400);
}

TEST_CASE("import: an archive of files becomes an image, compressed or not, and nothing else does",
          "[07][images]") {
    const TestDaemon daemon;
    const drydock::TempDir files("drydock-import-");
    std::ofstream(files.path() / "word") << "imported";
    const auto import = [&](const std::string& body, const std::string& query) {
        HttpRequestUnderWay request(
            daemon.socket(), "POST", "/images/create?fromSrc=-&" + query, "",
            "Content-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) + "\r\n");
        drydock::write_all(request.fd(), body, "archive");
        return request.finish();
    };
    for (const char* flags : {"-c", "-cz"}) {
        const auto tar = drydock::testing::run_program({"tar", "-C", files.path(), flags, "."});
        const Reply reply =
            import(tar.out, "repo=imported&tag=1&message=why&changes=ENV%20A%3Db&changes=CMD%20x");
        INFO(reply.body);
        CHECK(reply.status == 200);
        CHECK_THAT(reply.body, ContainsSubstring(R"({"status":"sha256:)"));
        const json image = daemon.get("/images/imported:1/json").json();
        CHECK(image["Config"]["Env"] == json{"A=b"});
        CHECK(daemon.get("/images/imported:1/history").json()[0]["Comment"] == "why");
        const json body = {{"Image", "imported:1"}};
        const std::string id =
            daemon.call("POST", "/containers/create", body.dump()).json().at("Id");
        CHECK_THAT(daemon.get("/containers/" + id + "/export").body, ContainsSubstring("imported"));
        CHECK(daemon.call("DELETE", "/containers/" + id).status == 204);
        CHECK(daemon.call("DELETE", "/images/imported:1").status == 200);
    }
    CHECK(import("this is no archive", "repo=x").status == 400);
    CHECK(daemon.get("/images/x/json").status == 404);
    CHECK(daemon.call("POST", "/images/create?fromSrc=http://a/b").status == 501);
}

TEST_CASE("save and load: an image goes out as a tar and comes back", "[07][images]") {
    const TestDaemon daemon;
    const Reply saved = daemon.get("/images/get?names=drydock/base");
    CHECK(saved.status == 200);
    REQUIRE(saved.body.size() > 100'000);
    CHECK(daemon.call("DELETE", "/images/drydock/base").status == 200);
    CHECK(daemon.get("/images/json").json().empty());
    HttpRequestUnderWay load(daemon.socket(), "POST", "/images/load", "",
                             "Content-Type: application/x-tar\r\nContent-Length: " +
                                 std::to_string(saved.body.size()) + "\r\n");
    drydock::write_all(load.fd(), saved.body, "archive");
    CHECK_THAT(load.finish().body, ContainsSubstring("Loaded image: drydock/base:latest"));
    CHECK(daemon.get("/images/drydock/base/json").status == 200);
    CHECK(daemon.get("/images/nothing/get").status == 404);
}

}  // namespace
