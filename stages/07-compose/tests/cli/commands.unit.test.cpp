#include "07-compose/cli/commands.hpp"

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "cli/stub_daemon.hpp"

namespace fs = std::filesystem;
using namespace drydock::testing;
using drydock::TempDir;
using nlohmann::json;

namespace {

const std::string kCreated = response(201, R"({"Id":"abc","Warnings":[]})");
const std::string kNoContent = "HTTP/1.1 204 No Content\r\n\r\n";

/// A daemon whose container writes to both streams and ends with `status`.
StubDaemon::Table runs(int status) {
    return {{"POST /v1.44/containers/create", kCreated},
            {"POST /v1.44/containers/abc/wait",
             "LATE " + chunked({fmt::format("{{\"StatusCode\":{}}}\n", status)})},
            {"POST /v1.44/containers/abc/attach",
             chunked({frame(1, "to out\n") + frame(2, "to err\n")})},
            {"POST /v1.44/containers/abc/start", kNoContent}};
}

Outcome call(const StubDaemon& daemon, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "drydock");
    return run_program(arguments, {daemon.host()});
}

}  // namespace

TEST_CASE("run: both streams and the exit status are the container's", "[07][cli][run]") {
    const StubDaemon daemon(runs(7));
    const Outcome outcome = call(daemon, {"run", "web", "sh", "-c", "--help"});
    CHECK(outcome.status == 7);
    CHECK(outcome.out == "to out\n");
    CHECK(outcome.err == "to err\n");
}

TEST_CASE("inspect: goes on after a name that is not there, and ends with 1", "[07][cli]") {
    const std::string missing = response(404, R"({"message":"network x not found"})");
    const StubDaemon daemon({{"GET /v1.44/networks/x", missing},
                             {"GET /v1.44/networks/web", response(200, R"({"Name":"web"})")},
                             {"GET /v1.44/volumes/x", missing},
                             {"GET /v1.44/volumes/web", response(200, R"({"Name":"web"})")}});
    for (const char* noun : {"network", "volume"}) {
        const Outcome all = call(daemon, {noun, "inspect", "x", "web"});
        CHECK(all.status == 1);
        CHECK(json::parse(all.out) == json::parse(R"([{"Name":"web"}])"));
        CHECK_THAT(all.err, ContainsSubstring("network x not found"));
        const Outcome line = call(daemon, {noun, "inspect", "-f", "json", "web"});
        CHECK(line.status == 0);
        CHECK(line.out == "{\"Name\":\"web\"}\n");
    }
}

TEST_CASE("run: waits before it starts, and asks for the removal when --rm was given",
          "[07][cli][run]") {
    const StubDaemon daemon(runs(0));
    CHECK(call(daemon, {"run", "--rm", "--name", "n", "web"}).status == 0);
    const auto requests = daemon.requests();
    REQUIRE(requests.size() == 4);
    CHECK_THAT(requests[0], ContainsSubstring("POST /v1.44/containers/create?name=n"));
    CHECK_THAT(requests[0], ContainsSubstring(R"("AutoRemove":true)"));
    CHECK_THAT(requests[1], ContainsSubstring("/wait?condition=removed"));
    CHECK_THAT(requests[2], ContainsSubstring("/attach?stream=1&stdin=0&stdout=1"));
    CHECK_THAT(requests[3], ContainsSubstring("/start"));
}

TEST_CASE("run: flags become the API's fields, and stop at the image", "[07][cli][run]") {
    const StubDaemon daemon({{"POST /v1.44/containers/create", kCreated},
                             {"POST /v1.44/containers/abc/start", kNoContent}});
    const Outcome outcome =
        call(daemon, {"run",         "-d",    "-e",     "A=1", "-e",           "B=2",
                      "-w",          "/w",    "-u",     "7",   "-h",           "host",
                      "-m",          "64m",   "--cpus", "0.5", "--pids-limit", "9",
                      "--network",   "none",  "-l",     "k=v", "--entrypoint", "",
                      "--read-only", "web:1", "cmd",    "-e",  "not-ours",     "--rm"});
    CHECK(outcome.status == 0);
    CHECK(outcome.out == "abc\n");
    const std::string request = daemon.requests().at(0);
    CHECK(json::parse(request.substr(request.find("\n\n"))) == json::parse(R"({
        "Image": "web:1", "Cmd": ["cmd", "-e", "not-ours", "--rm"], "Entrypoint": [""], "Env": ["A=1", "B=2"],
        "WorkingDir": "/w", "User": "7", "Hostname": "host", "Labels": {"k": "v"},
        "HostConfig": {"NetworkMode": "none", "Memory": 67108864, "NanoCpus": 500000000, "PidsLimit": 9,
                       "ReadonlyRootfs": true}})"));
}

TEST_CASE("run: a start that fails is 127, 126 or 125 by docker's words", "[07][cli][run]") {
    const std::pair<const char*, int> kinds[] = {
        {"exec: \\\"x\\\": executable file not found in $PATH", 127},
        {"exec: \\\"/x\\\": permission denied", 126},
        {"the cgroup is full", 125}};
    for (const auto& [text, status] : kinds) {
        StubDaemon::Table table = runs(0);
        table.back().second = response(400, fmt::format("{{\"message\":\"{}\"}}", text));
        const StubDaemon daemon(table);
        const Outcome outcome = call(daemon, {"run", "web", "x"});
        CHECK(outcome.status == status);
        CHECK_THAT(outcome.err, ContainsSubstring("drydock run: "));
    }
}

TEST_CASE("run: an image that is not here is pulled", "[07][cli][run]") {
    const StubDaemon daemon(
        {{"POST /v1.44/containers/create",
          response(404, R"({"message":"No such image: r:5000/web:latest"})")},
         {"POST /v1.44/images/create",
          response(404, R"({"message":"manifest for r:5000/web:latest not found"})")}});
    const Outcome outcome = call(daemon, {"run", "r:5000/web"});
    CHECK(outcome.status == 125);
    CHECK_THAT(outcome.err, ContainsSubstring("Unable to find image 'r:5000/web' locally"));
    CHECK_THAT(outcome.err, ContainsSubstring("manifest for r:5000/web:latest not found"));
    CHECK_THAT(daemon.requests().at(1), ContainsSubstring("fromImage=r%3A5000%2Fweb&tag=latest"));
}

TEST_CASE("run --pull, --platform: when an image is fetched, and for which machine",
          "[07][cli][run]") {
    StubDaemon::Table table = runs(0);
    table.emplace_back("POST /v1.44/images/create", chunked({"{\"status\":\"Pulled\"}\n"}));
    const StubDaemon always(table);
    CHECK(call(always, {"run", "--pull", "always", "--platform", "linux/arm64", "web"}).status ==
          0);
    CHECK_THAT(always.requests().at(0),
               ContainsSubstring("POST /v1.44/images/create?fromImage=web&tag=latest&platform="
                                 "linux%2Farm64"));
    CHECK_THAT(always.requests().at(1), ContainsSubstring("/create?platform=linux%2Farm64"));

    const StubDaemon never({{"POST /v1.44/containers/create",
                             response(404, R"({"message":"No such image: web:latest"})")}});
    const Outcome refused = call(never, {"run", "--pull=never", "web"});
    CHECK(refused.status == 125);
    CHECK_THAT(refused.err, ContainsSubstring("image web: is not here, and --pull never"));
    CHECK(never.requests().size() == 1);
    CHECK(call(never, {"create", "--pull=never", "web"}).status == 125);

    const StubDaemon nobody({});
    const Outcome wrong = call(nobody, {"run", "--pull", "sometimes", "web"});
    CHECK(wrong.status == 125);
    CHECK_THAT(wrong.err, ContainsSubstring("expected always, missing or never"));
    CHECK(nobody.requests().empty());
}

TEST_CASE("run -a: only those streams are asked for", "[07][cli][run]") {
    const auto attach_of = [](std::vector<std::string> flags) {
        const StubDaemon daemon(runs(3));
        flags.insert(flags.begin(), "run");
        flags.emplace_back("web");
        const Outcome outcome = call(daemon, flags);
        CHECK(outcome.status == 3);
        return daemon.requests().at(2);
    };
    CHECK_THAT(attach_of({"-a", "stdout"}), ContainsSubstring("stdin=0&stdout=1&stderr=0"));
    CHECK_THAT(attach_of({"-a", "STDERR", "-i"}), ContainsSubstring("stdin=0&stdout=0&stderr=1"));
    CHECK_THAT(attach_of({"-a", "stdin", "-a", "stdout", "-i"}),
               ContainsSubstring("stdin=1&stdout=1&stderr=0"));

    const StubDaemon input(runs(3));
    const Outcome only_input = call(input, {"run", "-i", "-a", "stdin", "web"});
    CHECK(only_input.status == 0);
    CHECK_THAT(only_input.out, Catch::Matchers::StartsWith("abc\n"));
    CHECK_THAT(input.requests().at(0),
               ContainsSubstring(R"("AttachStdin":true)") && !ContainsSubstring("AttachStdout"));

    const StubDaemon nobody({});
    CHECK_THAT(call(nobody, {"run", "-a", "stdout", "-d", "web"}).err,
               ContainsSubstring("-d and -a"));
    CHECK_THAT(call(nobody, {"run", "-a", "stdlog", "web"}).err,
               ContainsSubstring("expected stdin, stdout or stderr"));
    CHECK(nobody.requests().empty());
}

TEST_CASE("run -i: asks for an input that ends with ours", "[07][cli][run]") {
    const StubDaemon daemon(runs(0));
    CHECK(call(daemon, {"run", "-i", "web"}).status == 0);
    CHECK_THAT(daemon.requests().at(0), ContainsSubstring(R"("OpenStdin":true)") &&
                                            ContainsSubstring(R"("StdinOnce":true)"));
    CHECK_THAT(daemon.requests().at(2), ContainsSubstring("stdin=1"));
}

TEST_CASE("run -it, exec -it: without a terminal are refused, and nothing is sent",
          "[07][cli][run]") {
    const StubDaemon daemon({});
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"run", "-it", "web"}, {"exec", "-it", "web", "sh"}}) {
        const Outcome outcome = call(daemon, words);
        CHECK(outcome.status == 125);
        CHECK_THAT(outcome.err, ContainsSubstring("no terminal"));
    }
    CHECK(daemon.requests().empty());
}

TEST_CASE("exec: both streams and the exit status are the command's", "[07][cli][exec]") {
    const StubDaemon daemon(
        {{"POST /v1.44/containers/web/exec", response(201, R"({"Id":"e"})")},
         {"POST /v1.44/exec/e/start", chunked({frame(1, "to out\n") + frame(2, "to err\n")})},
         {"GET /v1.44/exec/e/json", response(200, R"({"ExitCode":9})")}});
    const Outcome outcome =
        call(daemon, {"exec", "-e", "A=1", "-u", "7", "-w", "/w", "web", "cmd", "-x"});
    CHECK(outcome.status == 9);
    CHECK(outcome.out == "to out\n");
    CHECK(outcome.err == "to err\n");
    const std::string request = daemon.requests().at(0);
    CHECK(json::parse(request.substr(request.find("\n\n"))) == json::parse(R"({
        "Cmd": ["cmd", "-x"], "Env": ["A=1"], "User": "7", "WorkingDir": "/w", "DetachKeys": "", "Privileged": false,
        "Tty": false, "AttachStdin": false, "AttachStdout": true, "AttachStderr": true})"));
}

TEST_CASE("run: a wrong flag or value is one clear line, 125", "[07][cli][run]") {
    const StubDaemon daemon({});
    CHECK_THAT(call(daemon, {"run", "--memory", "lots", "web"}).err,
               ContainsSubstring("--memory: \"lots\" is no size"));
    CHECK_THAT(call(daemon, {"run", "--no-such-flag", "web"}).err,
               ContainsSubstring("--no-such-flag"));
    CHECK(call(daemon, {"run", "--no-such-flag", "web"}).status == 125);
    CHECK(call(daemon, {"run"}).status == 125);
}

TEST_CASE("run: --cidfile holds the ID, one that is there is not overwritten", "[07][cli][run]") {
    const StubDaemon daemon(runs(0));
    const TempDir directory("drydock-test");
    const std::string file = directory.path() / "cid";
    CHECK(call(daemon, {"run", "--cidfile", file, "web"}).status == 0);
    std::ifstream in(file);
    CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == "abc");
    const Outcome second = call(daemon, {"run", "--cidfile", file, "web"});
    CHECK(second.status == 125);
    CHECK_THAT(second.err, ContainsSubstring("the file is there already"));
}

TEST_CASE("a daemon that hangs up is an error, not an end", "[07][cli][run]") {
    StubDaemon::Table table = runs(0);
    table[2].second = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
    const StubDaemon daemon(table);
    const Outcome outcome = call(daemon, {"run", "web"});
    CHECK(outcome.status == 125);
    CHECK_THAT(outcome.err, ContainsSubstring("closed the connection"));
}

TEST_CASE("ps: docker's table, names of strangers do not reach the terminal as they are",
          "[07][cli][ps]") {
    const StubDaemon daemon(
        {{"GET /v1.44/containers/json", response(200, R"([{"Id":"0123456789abcdef","Names":["/a"],
        "Image":"web","Command":"sh -c 'a very long command line'","Created":0,"Status":"Up 4 seconds","State":"running",
        "Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"PrivatePort":81,"Type":"tcp"}],
        "Labels":{"k":"\u001b[2J"}}])")}});
    const std::string table = call(daemon, {"ps", "-a", "--filter", "status=running"}).out;
    CHECK_THAT(table, ContainsSubstring("CONTAINER ID   IMAGE   COMMAND"));
    CHECK_THAT(table, ContainsSubstring("0123456789ab   web     \"sh -c 'a very long"));
    CHECK_THAT(table, ContainsSubstring("0.0.0.0:8080->80/tcp, 81/tcp   a\n"));
    CHECK_THAT(daemon.requests().at(0),
               ContainsSubstring("all=1&filters=%7B%22status%22%3A%7B%22running%22%3Atrue%7D%7D"));
    CHECK(call(daemon, {"ps", "-q"}).out == "0123456789ab\n");
    CHECK(call(daemon, {"ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"}).out ==
          "0123456789abcdef a\n");
    CHECK(json::parse(call(daemon, {"ps", "--format", "json"}).out).at("Labels") == "k=\x1b[2J");
}

TEST_CASE("names: each is done, a refusal is told and makes the exit status 1",
          "[07][cli][names]") {
    const StubDaemon daemon(
        {{"DELETE /v1.44/containers/a?", kNoContent},
         {"DELETE /v1.44/containers/b?",
          response(409, R"({"message":"You cannot remove a running container b"})")}});
    const Outcome outcome = call(daemon, {"rm", "b", "a"});
    CHECK(outcome.status == 1);
    CHECK(outcome.out == "a\n");
    CHECK(outcome.err == "drydock rm: You cannot remove a running container b\n");
    CHECK(call(daemon, {"rm", "-f", "gone"}).status == 0);
}

TEST_CASE("images: a row for each name, the colon of a port is no tag", "[07][cli][images]") {
    const StubDaemon daemon(
        {{"GET /v1.44/images/json", response(200, R"([{"Id":"sha256:0123456789abcdef","Created":0,
        "Size":4261502,"RepoTags":["127.0.0.1:5000/demo/web:latest","web:1"],
        "RepoDigests":["127.0.0.1:5000/demo/web@sha256:77"]},{"Id":"sha256:ff","Created":0,"Size":1,"RepoTags":null}])")}});
    const std::string table = call(daemon, {"images", "--digests"}).out;
    CHECK_THAT(table,
               ContainsSubstring("127.0.0.1:5000/demo/web   latest   sha256:77   0123456789ab"));
    CHECK_THAT(table,
               ContainsSubstring("web                       1        <none>      0123456789ab"));
    CHECK_THAT(table, ContainsSubstring("<none>                    <none>   <none>      ff"));
    CHECK_THAT(table, ContainsSubstring("4.26MB"));
}

TEST_CASE("pull, push: lines of state, and the error in a stream is the program's",
          "[07][cli][images]") {
    const StubDaemon daemon(
        {{"POST /v1.44/images/create",
          chunked({"{\"status\":\"Pulling from web\",\"id\":\"1\"}\r\n{\"status\":\"Downlo",
                   "ading\",\"id\":\"aa\",\"progressDetail\":{\"current\":1,\"total\":2}}\r\n",
                   "{\"status\":\"Pull complete\",\"id\":\"aa\"}\r\n{\"status\":\"Digest: "
                   "sha256:77\"}\r\n"})},
         {"POST /v1.44/images/r:5000/web/push?tag=latest",
          chunked({"{\"status\":\"Pushing\",\"id\":\"aa\"}\r\n",
                   "{\"errorDetail\":{\"message\":\"denied\"},\"error\":\"denied\"}\r\n"})}});
    CHECK(call(daemon, {"pull", "web:1"}).out ==
          "1: Pulling from web\naa: Pull complete\nDigest: sha256:77\nweb:1\n");
    CHECK_THAT(daemon.requests().at(0), ContainsSubstring("fromImage=web&tag=1"));
    const Outcome push = call(daemon, {"push", "r:5000/web"});
    CHECK(push.status == 1);
    CHECK(push.err == "drydock push: denied\n");
}

TEST_CASE("build: sends the context as tar, a failing RUN is the exit status", "[07][cli][build]") {
    const TempDir context("drydock-test");
    std::ofstream(context.path() / "Dockerfile") << "FROM drydock/base\n";
    const StubDaemon daemon(
        {{"POST /v1.44/build", chunked({"{\"stream\":\"Step 1/1 : FROM drydock/base\\n\"}\r\n",
                                        "{\"aux\":{\"ID\":\"sha256:77\"}}\r\n"})}});
    const Outcome built =
        call(daemon, {"build", "-t", "web", "--build-arg", "A=1", context.path().native()});
    CHECK(built.status == 0);
    CHECK(built.out == "Step 1/1 : FROM drydock/base\n");
    const std::string request = daemon.requests().at(0);
    CHECK_THAT(request, ContainsSubstring("&t=web&buildargs=%7B%22A%22%3A%221%22%7D"));
    CHECK_THAT(request, ContainsSubstring("ustar"));
    CHECK(call(daemon, {"build", "-q", context.path().native()}).out == "sha256:77\n");

    const StubDaemon failing(
        {{"POST /v1.44/build",
          chunked({"{\"errorDetail\":{\"code\":7,\"message\":\"returned a non-zero code: 7\"},"
                   "\"error\":\"returned a non-zero code: 7\"}\r\n"})}});
    const Outcome failed = call(failing, {"build", context.path().native()});
    CHECK(failed.status == 7);
    CHECK(failed.err == "drydock build: returned a non-zero code: 7\n");
    CHECK_THAT(call(failing, {"build", "/no/such/folder"}).err,
               ContainsSubstring("no such directory"));
    CHECK_THAT(
        call(failing, {"build", "-f", (context.path() / "x").native(), context.path().native()})
            .err,
        ContainsSubstring("no such file"));
}

TEST_CASE("save: the file is there whole, or not at all", "[07][cli][images]") {
    const TempDir directory("drydock-test");
    const fs::path file = directory.path() / "a.tar";
    const StubDaemon daemon({{"GET /v1.44/images/get?names=a&names=b", chunked({"tar", "bytes"})},
                             {"GET /v1.44/images/get?names=broken",
                              "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"}});
    CHECK(call(daemon, {"save", "-o", file.native(), "a", "b"}).status == 0);
    CHECK(fs::file_size(file) == 8);
    CHECK(call(daemon, {"save", "-o", (directory.path() / "b.tar").native(), "broken"}).status ==
          125);
    CHECK(std::distance(fs::directory_iterator(directory.path()), {}) == 1);
}

TEST_CASE("load: the archive is sent as it is", "[07][cli][images]") {
    const TempDir directory("drydock-test");
    std::ofstream(directory.path() / "a.tar") << "tar bytes";
    const StubDaemon daemon(
        {{"POST /v1.44/images/load", chunked({"{\"stream\":\"Loaded image: web:1\\n\"}\r\n"})}});
    CHECK(call(daemon, {"load", "-i", (directory.path() / "a.tar").native()}).out ==
          "Loaded image: web:1\n");
    CHECK_THAT(daemon.requests().at(0), ContainsSubstring("tar bytes"));
}

TEST_CASE("inspect: containers first, then images, what is neither is told", "[07][cli][inspect]") {
    const StubDaemon daemon(
        {{"GET /v1.44/containers/a/json", response(200, R"({"State":{"Pid":42}})")},
         {"GET /v1.44/images/demo/web/json", response(200, R"({"Id":"sha256:77"})")}});
    CHECK(call(daemon, {"inspect", "-f", "{{.State.Pid}}", "a"}).out == "42\n");
    CHECK(json::parse(call(daemon, {"inspect", "a", "demo/web"}).out).size() == 2);
    const Outcome none = call(daemon, {"inspect", "nothing"});
    CHECK(none.status == 1);
    CHECK_THAT(none.err, ContainsSubstring("No such object: nothing"));
}

TEST_CASE("a host that somebody named is never started", "[07][cli][daemon]") {
    const Outcome outcome = run_program({"drydock", "ps"}, {"DRYDOCK_HOST=unix:///nowhere/d.sock"});
    CHECK(outcome.status == 125);
    CHECK_THAT(outcome.err,
               ContainsSubstring("unix:///nowhere/d.sock") && ContainsSubstring("drydock daemon"));
}

TEST_CASE("an unknown word is told with the nearest command", "[07][cli]") {
    const Outcome outcome = run_program({"drydock", "rnu"});
    CHECK(outcome.status == 125);
    CHECK_THAT(outcome.err, ContainsSubstring("\"rnu\" is no command, did you mean \"run\"?"));
    CHECK(run_program({"drydock", "--help"}).status == 0);
    CHECK(run_program({"drydock"}).status == 125);
}
