// Pull and push with credentials: who gets them, and who does not. Needs root: layers hold files of
// any owner.
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

#include "tls_front.hpp"
#include "transfer_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

TEST_CASE("pull and push: Basic credentials, right and wrong", "[06][auth]") {
    const TempDir directory("drydock-test-");
    const fs::path file = directory.path() / "htpasswd";
    // htpasswd -nbBC 4 ann secret
    std::ofstream(file) << "ann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
    TransferFixture at(file);
    const Reference name = at.reference("a:1");
    make_image(at.store, name);
    for (const Credentials& wrong : {Credentials{}, Credentials{.user = "ann", .password = "no"}}) {
        CHECK_THAT(message_of([&] { push(at.store, name, wrong, {}); }),
                   ContainsSubstring("access to a on http://" + at.server.address() + " denied"));
    }
    const Credentials right{.user = "ann", .password = "secret"};
    CHECK_NOTHROW(push(at.store, name, right, {}));
    CHECK_THAT(message_of([&] { pull(at.other, name, {}, {}); }), ContainsSubstring("denied"));
    CHECK_NOTHROW(pull(at.other, name, right, {}));
}

TEST_CASE("pull: a token is fetched from the realm the registry names", "[06][auth]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    make_image(at.store, name);
    push(at.store, name, {}, {});
    at.tamper = [&](HttpExchange& exchange) {
        const HttpRequest& request = exchange.request();
        if (request.path == "/token") {
            const bool ok = request.parameter("scope") == "repository:a:pull" &&
                            request.parameter("service") == "s" &&
                            request.header("Authorization").starts_with("Basic ");
            exchange.respond(ok ? 200 : 401, {}, R"({"access_token":"t0ken","expires_in":60})");
            return true;
        }
        if (request.header("Authorization") != "Bearer t0ken") {
            exchange.respond(
                401,
                {{.name = "WWW-Authenticate",
                  .value = fmt::format("Bearer realm=\"http://{}/token\",service=\"s\"",
                                       at.server.address())}},
                "");
            return true;
        }
        return false;
    };
    CHECK_NOTHROW(pull(at.other, name, {.user = "ann", .password = "x"}, {}));
    CHECK(at.count("GET", "/token") == 1);
}

TEST_CASE("pull: credentials never leave the origin they were given for", "[06][auth]") {
    TransferFixture at;
    TransferFixture elsewhere;
    const Reference name = at.reference("a:1");
    const Credentials ann{.user = "ann", .password = "secret"};
    make_image(at.store, name);
    push(at.store, name, {}, {});
    push(at.store, name, {}, {});
    const Reference copy = elsewhere.reference("a:1");
    at.store.tag(at.store.get(familiar(name)), copy);
    push(at.store, copy, {}, {});
    elsewhere.asked.clear();
    elsewhere.authorizations.clear();

    at.tamper = [&](HttpExchange& exchange) {
        const HttpRequest& request = exchange.request();
        if (request.header("Authorization").empty()) {
            exchange.respond(401, {{.name = "WWW-Authenticate", .value = "Basic realm=\"x\""}}, "");
            return true;
        }
        if (request.path.find("/blobs/") != std::string::npos) {
            exchange.respond(
                307,
                {{.name = "Location",
                  .value = fmt::format("http://{}{}", elsewhere.server.address(), request.path)}},
                "");
            return true;
        }
        return false;
    };
    CHECK_NOTHROW(pull(at.other, name, ann, {}));
    CHECK(elsewhere.count("GET", "/blobs/") == 3);
    CHECK(std::ranges::all_of(elsewhere.authorizations,
                              [](const std::string& value) { return value.empty(); }));

    // Nor when that other origin asks for them, nor for a token from there.
    ImageStore third(at.directory.path() / "third");
    elsewhere.tamper = [&](HttpExchange& exchange) {
        exchange.respond(401, {{.name = "WWW-Authenticate", .value = "Basic realm=\"x\""}}, "");
        return true;
    };
    CHECK_THAT(message_of([&] { pull(third, name, ann, {}); }), ContainsSubstring("denied"));
    at.tamper = [&](HttpExchange& exchange) {
        exchange.respond(401,
                         {{.name = "WWW-Authenticate",
                           .value = fmt::format("Bearer realm=\"http://{}/token\"",
                                                elsewhere.server.address())}},
                         "");
        return true;
    };
    CHECK_THAT(message_of([&] { pull(third, name, ann, {}); }),
               ContainsSubstring("it is not https"));
    CHECK(elsewhere.count("GET", "/token") == 0);
    CHECK(std::ranges::all_of(elsewhere.authorizations,
                              [](const std::string& value) { return value.empty(); }));
}

TEST_CASE("pull: a token server elsewhere gets the password only on the registry's own host",
          "[06][auth][tls]") {
    TransferFixture at;
    TransferFixture elsewhere;
    const Reference name = at.reference("a:1");
    make_image(at.store, name);
    push(at.store, name, {}, {});
    const fs::path config = at.directory.path() / "config";
    ::setenv("DRYDOCK_CONFIG", config.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    const TlsFiles files = self_signed_certificate(at.directory.path() / "tls");
    const TlsFront front(files, "127.0.0.1:0", false, [&](UniqueFd plain, HttpPeer peer) {
        elsewhere.server.server().adopt(std::move(plain), std::move(peer));
    });
    const std::string host = GENERATE("127.0.0.1", "localhost");
    CAPTURE(host);
    const std::string authority = host + front.address().substr(front.address().rfind(':'));
    fs::create_directories(config / "certs.d" / authority);
    fs::copy_file(files.certificate, config / "certs.d" / authority / "ca.crt");
    at.tamper = [&](HttpExchange& exchange) {
        if (exchange.request().header("Authorization") == "Bearer given") {
            return false;
        }
        exchange.respond(401,
                         {{.name = "WWW-Authenticate",
                           .value = fmt::format("Bearer realm=\"https://{}/token\"", authority)}},
                         "");
        return true;
    };
    elsewhere.tamper = [&](HttpExchange& exchange) {
        exchange.respond(200, {}, R"({"token": "given"})");
        return true;
    };
    CHECK_NOTHROW(pull(at.other, name, {.user = "ann", .password = "secret"}, {}));
    ::unsetenv("DRYDOCK_CONFIG");  // NOLINT(concurrency-mt-unsafe)
    CHECK(elsewhere.count("GET", "/token") >= 1);
    CHECK(std::ranges::all_of(elsewhere.authorizations, [&](const std::string& value) {
        return value.empty() == (host == "localhost");
    }));
}

TEST_CASE("pull: https does not become http on the way", "[06][auth][tls]") {
    TransferFixture at;
    TransferFixture elsewhere;
    const TlsFront front(self_signed_certificate(at.directory.path() / "tls"), "127.0.0.1:0", false,
                         [&](UniqueFd plain, HttpPeer peer) {
                             at.server.server().adopt(std::move(plain), std::move(peer));
                         });
    const Reference name = parse_reference(front.address() + "/a:1");
    make_image(at.store, name);
    push(at.store, name, {}, {});
    const Reference copy = elsewhere.reference("a:1");
    at.store.tag(at.store.get(familiar(name)), copy);
    push(at.store, copy, {}, {});
    elsewhere.asked.clear();
    at.tamper = [&](HttpExchange& exchange) {
        if (exchange.request().path.find("/blobs/") == std::string::npos) {
            return false;
        }
        exchange.respond(307,
                         {{.name = "Location",
                           .value = fmt::format("http://{}{}", elsewhere.server.address(),
                                                exchange.request().path)}},
                         "");
        return true;
    };
    CHECK_THAT(message_of([&] { pull(at.other, name, {}, {}); }),
               ContainsSubstring("redirects from https to http://"));
    CHECK(elsewhere.asked.empty());
}
