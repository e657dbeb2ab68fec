// What a registry does wrong on purpose.
#include <chrono>
#include <optional>
#include <string>

#include "01-chroot/error.hpp"

#include "faults.hpp"
#include "registry_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

namespace {

const std::string kBytes = "0123456789";

struct Faulty {
    explicit Faulty(const std::vector<std::string>& faults) {
        {
            RegistryFixture good({}, directory.path() / "root");
            path = "/v2/a/blobs/" + good.push_blob("a", kBytes).text();
        }
        registry.emplace(RegistryOptions{.root = directory.path() / "root", .faults = faults});
        server.emplace([this](HttpExchange& exchange) { registry->handle(exchange); });
    }
    HttpReply get(const std::string& range = "") {
        HttpHeaders headers;
        if (!range.empty()) {
            headers.push_back({.name = "Range", .value = range});
        }
        return HttpClient().call({.url = "http://" + server->address() + path, .headers = headers});
    }

    TempDir directory{"drydock-test-"};
    std::string path{};
    std::optional<Registry> registry{};
    std::optional<RunningServer> server{};
};

}  // namespace

TEST_CASE("faults: a byte is flipped, in the whole and in a part", "[06][registry][fault]") {
    Faulty at({"flip=4"});
    CHECK(at.get().body == "0123556789");
    const HttpReply part = at.get("bytes=3-5");
    CHECK(part.status == 206);
    CHECK(part.body == "355");
    CHECK(at.get("bytes=5-6").body == "56");
}

TEST_CASE("faults: a blob is cut, so many times", "[06][registry][fault]") {
    Faulty at({"cut=4,times=2"});
    for (int i = 0; i < 2; ++i) {
        std::string got;
        CHECK_THROWS_AS(HttpClient().call({.url = "http://" + at.server->address() + at.path,
                                           .sink = [&](std::string_view s) { got += s; }}),
                        HttpUnreachable);
        CHECK(got == "0123");
    }
    CHECK(at.get().body == kBytes);
}

TEST_CASE("faults: a status for some requests only", "[06][registry][fault]") {
    Faulty at({"status=503,times=1,for=GET /v2/a/blobs", "status=429,for=/v2/b/"});
    const HttpReply reply = at.get();
    CHECK(reply.status == 503);
    CHECK(header(reply, "Retry-After") == "1");
    CHECK(at.get().status == 200);
    for (int i = 0; i < 2; ++i) {
        CHECK(HttpClient()
                  .call({.url = "http://" + at.server->address() + "/v2/b/tags/list"})
                  .status == 429);
    }
}

TEST_CASE("faults: a Range is not heard", "[06][registry][fault]") {
    Faulty at({"ignore-range,times=1"});
    CHECK(at.get().body == kBytes);  // has none: does not count
    const HttpReply whole = at.get("bytes=3-5");
    CHECK(whole.status == 200);
    CHECK(whole.body == kBytes);
    CHECK(at.get("bytes=3-5").body == "345");
}

TEST_CASE("faults: a blob stalls, and a server that ends does not wait for it",
          "[06][registry][fault]") {
    Faulty at({"stall=4"});
    RawClient client(at.server->address());
    client.send("GET " + at.path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string got =
        client.read_until([](const std::string& all) { return all.ends_with("\r\n\r\n0123"); });
    CHECK_THAT(got, ContainsSubstring("Content-Length: 10"));
    CHECK(client.read_until([](const std::string&) { return false; }, 1) == "(timeout)");
    const auto begin = std::chrono::steady_clock::now();
    at.server.reset();
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(4));
}

TEST_CASE("faults: what is none is named", "[06][registry][fault]") {
    for (const char* text : {"", "flip", "flip=", "flip=x", "cut=-1", "status=200", "status=600",
                             "melt=1", "cut=1,times=x", "cut=1,for=", "cut=1,often", "cut=1,,"}) {
        INFO(text);
        CHECK_THROWS_WITH(parse_fault(text),
                          ContainsSubstring("--fault " + std::string(text) + ": expected flip=N"));
    }
    const Fault fault = parse_fault("cut=10,times=3,for=GET /v2/a");
    CHECK(fault.kind == Fault::Kind::Cut);
    CHECK(fault.value == 10);
    CHECK(fault.times == 3U);
    CHECK(fault.where == "GET /v2/a");
}
