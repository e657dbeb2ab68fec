// Who may do what in a registry: tokens (security.md F7) and rules.
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "06-registry/auth.hpp"

#include "testing/catch.hpp"

#include "access_rules.hpp"
#include "json_web_token.hpp"
#include "registry_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;
using nlohmann::json;

namespace {

std::int64_t now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// What a good token for repository "a" says.
json claims(const std::string& actions = "pull") {
    json list = json::array();
    list.push_back(actions);
    return {{"iss", "drydock"},
            {"aud", "drydock-registry"},
            {"sub", "ann"},
            {"exp", now() + 300},
            {"nbf", now()},
            {"access", {{{"type", "repository"}, {"name", "a"}, {"actions", list}}}}};
}

/// A key of any kind that somebody else may sign with.
class ForeignKey {
  public:
    explicit ForeignKey(const std::string& kind)
        : key_(kind == "RS256"   ? EVP_RSA_gen(2048)
               : kind == "weak"  ? EVP_RSA_gen(1024)
               : kind == "ES256" ? EVP_EC_gen("P-256")
               : kind == "ES384" ? EVP_EC_gen("P-384")
                                 : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"),
               EVP_PKEY_free),
          kind_(kind) {}

    std::string public_pem() const {
        const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
        PEM_write_bio_PUBKEY(bio.get(), key_.get());
        char* bytes = nullptr;
        const long size = BIO_get_mem_data(bio.get(), &bytes);
        return {bytes, static_cast<std::size_t>(size)};
    }
    std::string token(const json& body) const {
        const std::string text = encode_base64url(json{{"alg", kind_}, {"typ", "JWT"}}.dump()) +
                                 "." + encode_base64url(body.dump());
        return text + "." + encode_base64url(sign(text));
    }

  private:
    std::string sign(const std::string& text) const {
        const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                              EVP_MD_CTX_free);
        EVP_DigestSignInit(context.get(), nullptr, kind_ == "EdDSA" ? nullptr : EVP_sha256(),
                           nullptr, key_.get());
        std::vector<unsigned char> signature(512);
        std::size_t size = signature.size();
        REQUIRE(EVP_DigestSign(context.get(), signature.data(), &size,
                               reinterpret_cast<const unsigned char*>(text.data()),
                               text.size()) == 1);
        if (kind_ != "ES256") {
            return {reinterpret_cast<const char*>(signature.data()), size};
        }
        const unsigned char* der = signature.data();
        const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(
            d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(size)), ECDSA_SIG_free);
        std::string raw(64, '\0');
        auto* bytes = reinterpret_cast<unsigned char*>(raw.data());
        BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), bytes, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), bytes + 32, 32);
        return raw;
    }

    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
    std::string kind_;
};

struct Guarded {
    explicit Guarded(const std::string& rules = "", bool tokens = true) {
        // htpasswd -nbBC 4 NAME secret
        std::ofstream(directory.path() / "htpasswd")
            << "ann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"
            << "bob:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
        RegistryOptions options{.root = directory.path() / "root",
                                .htpasswd = directory.path() / "htpasswd",
                                .tokens = {.own = tokens}};
        if (!rules.empty()) {
            std::ofstream(directory.path() / "rules") << rules;
            options.access = directory.path() / "rules";
        }
        serve(options);
    }
    explicit Guarded(const std::string& public_key, const TokenOptions& tokens) {
        std::ofstream(directory.path() / "key.pem") << public_key;
        RegistryOptions options{.root = directory.path() / "root", .tokens = tokens};
        options.tokens.key = directory.path() / "key.pem";
        options.tokens.realm = "https://tokens.example/get";
        serve(options);
    }
    void serve(const RegistryOptions& options) {
        registry.emplace(options);
        server.emplace([this](HttpExchange& exchange) { registry->handle(exchange); });
    }
    HttpReply ask(const std::string& method, const std::string& path,
                  const std::string& authorization = "", const std::string& body = "") {
        HttpHeaders headers = {{.name = "Content-Type", .value = kManifestType}};
        if (!authorization.empty()) {
            headers.push_back({.name = "Authorization", .value = authorization});
        }
        return client.call({.method = method,
                            .url = "http://" + server->address() + path,
                            .headers = headers,
                            .body = body});
    }
    static std::string password(const std::string& user, const std::string& password = "secret") {
        return basic_authorization({.user = user, .password = password});
    }
    /// "Bearer …" for those scopes, as `authorization` may have it.
    std::string token(const std::string& query, const std::string& authorization) {
        const HttpReply reply =
            ask("GET", "/token?service=drydock-registry" + query, authorization);
        REQUIRE(reply.status == 200);
        return "Bearer " + json::parse(reply.body).at("token").get<std::string>();
    }
    TokenKey key() { return TokenKey::own(directory.path() / "root/token"); }
    /// The status of a pull of tags in repository "a" with that token.
    int status_with(const std::string& token) {
        return ask("GET", "/v2/a/manifests/none", "Bearer " + token).status;
    }

    TempDir directory{"drydock-test-"};
    std::optional<Registry> registry{};
    std::optional<RunningServer> server{};
    HttpClient client{};
};

}  // namespace

TEST_CASE("Registry: the whole way of a token: challenge, password, token, push, pull",
          "[06][registry][auth][token]") {
    Guarded at;
    const HttpReply refused = at.ask("GET", "/v2/");
    CHECK(refused.status == 401);
    CHECK(code(refused) == "UNAUTHORIZED");
    CHECK(header(refused, "WWW-Authenticate") ==
          fmt::format(R"(Bearer realm="http://{}/token",service="drydock-registry")",
                      at.server->address()));
    CHECK(at.ask("GET", "/token", Guarded::password("ann", "wrong")).status == 401);
    CHECK(at.ask("GET", "/token").status == 401);
    CHECK(at.ask("POST", "/token", Guarded::password("ann")).status == 405);

    CHECK(at.ask("GET", "/v2/", at.token("", Guarded::password("ann"))).status == 200);
    const std::string pull_only =
        at.token("&scope=repository%3Aa%3Apull", Guarded::password("ann"));
    const std::string start = "/v2/a/blobs/uploads/?digest=" + digest_of("bytes").text();
    const HttpReply too_little = at.ask("POST", start, pull_only, "bytes");
    CHECK(too_little.status == 401);
    CHECK(code(too_little) == "DENIED");
    CHECK_THAT(header(too_little, "WWW-Authenticate"),
               ContainsSubstring(R"(scope="repository:a:pull,push",error="insufficient_scope")"));
    const std::string both =
        at.token("&scope=repository%3Aa%3Apull%2Cpush", Guarded::password("ann"));
    CHECK(at.ask("POST", start, both, "bytes").status == 201);
    const std::string blob = "/v2/a/blobs/" + digest_of("bytes").text();
    CHECK(at.ask("GET", blob, pull_only).body == "bytes");
    CHECK(at.ask("DELETE", blob, both).status == 401);
    CHECK(at.ask("GET", "/v2/b/tags/list", both).status == 401);  // another repository
    const std::string all = at.token("&scope=repository%3Aa%3A*", Guarded::password("ann"));
    CHECK(at.ask("DELETE", blob, all).status == 202);
    // Several scopes, in one parameter or more.
    const std::string two =
        at.token("&scope=repository%3Aa%3Apull+repository%3Ab%3Apull&scope=registry%3Acatalog%3A*",
                 Guarded::password("ann"));
    CHECK(at.ask("GET", "/v2/b/tags/list", two).status == 404);
    CHECK(at.ask("GET", "/v2/_catalog", two).status == 200);
    CHECK(at.ask("GET", "/v2/_catalog", both).status == 401);
    CHECK(at.ask("GET", blob, Guarded::password("ann")).status == 404);  // a password will do, too
}

TEST_CASE("Registry: no two tokens have one ID", "[06][registry][auth][token]") {
    Guarded at;
    const auto id = [&] {
        const std::string token =
            at.token("&scope=repository:a:pull", Guarded::password("ann", "secret"));
        const std::size_t begin = token.find('.') + 1;
        return json::parse(decode_base64url(token.substr(begin, token.rfind('.') - begin)))
            .at("jti")
            .get<std::string>();
    };
    CHECK(id() != id());
}

TEST_CASE("Registry: tokens that are forged, stale, or for somebody else are refused",
          "[06][registry][auth][token]") {
    Guarded at;
    const TokenKey key = at.key();
    const std::string good = make_token(key, claims());
    REQUIRE(at.status_with(good) == 404);
    const auto with = [&](const std::string& name, const json& value) {
        json changed = claims();
        changed[name] = value;
        return make_token(key, changed);
    };
    const auto without = [&](const char* name) {
        json changed = claims();
        changed.erase(name);
        return make_token(key, changed);
    };
    const std::string body = good.substr(0, good.rfind('.'));
    const std::string payload = body.substr(body.find('.') + 1);
    const auto header_of = [&](const json& header) {  // with a right signature
        const std::string text = encode_base64url(header.dump()) + "." + payload;
        return text + "." + encode_base64url(key.sign(text));
    };
    const std::string by_secret = [&] {  // HS256 with our public key as the secret
        const std::string secret = read_file(at.directory.path() / "root/token/public.pem", 9999);
        const std::string text = encode_base64url(R"({"alg":"HS256","typ":"JWT"})") + "." + payload;
        unsigned char mac[32];
        unsigned size = 0;
        HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
        return text + "." + encode_base64url({reinterpret_cast<const char*>(mac), size});
    }();
    const std::vector<std::pair<const char*, std::string>> wrong = {
        {"alg none", encode_base64url(R"({"alg":"none"})") + "." + payload + "."},
        {"alg none, signed", header_of({{"alg", "none"}})},
        {"alg of another", header_of({{"alg", "RS256"}})},
        {"no alg", header_of({{"typ", "JWT"}})},
        {"the public key as secret", by_secret},
        {"another key", ForeignKey("EdDSA").token(claims())},
        {"what must be understood", header_of({{"alg", "EdDSA"}, {"crit", {"exp"}}})},
        {"no signature", body + "."},
        {"half a signature", good.substr(0, good.size() - 20)},
        {"changed claims", body.substr(0, body.find('.') + 1) +
                               encode_base64url(claims("*").dump()) + good.substr(body.size())},
        {"expired", with("exp", now() - 61)},
        {"never expires", without("exp")},
        {"not yet", with("nbf", now() + 120)},
        {"time is text", with("exp", "tomorrow")},
        {"another audience", with("aud", "elsewhere")},
        {"other audiences", with("aud", {"x", "y"})},
        {"no audience", without("aud")},
        {"another issuer", with("iss", "mallory")},
        {"no issuer", without("iss")},
        {"access is no list", with("access", "everything")},
        {"no access", without("access")},
        {"another repository",
         with("access", {{{"type", "repository"}, {"name", "b"}, {"actions", {"pull"}}}})},
        {"another type",
         with("access", {{{"type", "plugin"}, {"name", "a"}, {"actions", {"pull"}}}})},
        {"another action",
         with("access", {{{"type", "repository"}, {"name", "a"}, {"actions", {"push"}}}})},
        {"empty", ""},
        {"dots", ".."},
        {"four parts", good + ".x"},
        {"padding", good + "="},
        {"no base64", "a!." + payload + ".x"},
        {"long", std::string(60'000, 'a') + ".b.c"},
    };
    for (const auto& [what, token] : wrong) {
        INFO(what);
        const HttpReply reply = at.ask("GET", "/v2/a/manifests/none", "Bearer " + token);
        CHECK(reply.status == 401);
        CHECK_THAT(header(reply, "WWW-Authenticate"), ContainsSubstring("error="));
    }
    CHECK(at.status_with(with("aud", {"x", "drydock-registry"})) == 404);
    CHECK(at.status_with(with("exp", now() - 30)) == 404);  // clocks may differ by a minute
    // A key that the token brings itself is nobody's.
    const ForeignKey mine("EdDSA");
    const std::string text =
        encode_base64url(json{{"alg", "EdDSA"}, {"jwk", {{"kty", "OKP"}}}, {"x5c", {"x"}}}.dump()) +
        "." + payload;
    CHECK(at.status_with(text + "." + encode_base64url("x")) == 401);
    CHECK(at.status_with(header_of({{"alg", "EdDSA"}, {"jwk", {{"kty", "OKP"}}}})) == 404);
}

TEST_CASE("Registry: takes the tokens of one issuer elsewhere, by its public key",
          "[06][registry][auth][token]") {
    for (const char* kind : {"RS256", "ES256", "EdDSA"}) {
        INFO(kind);
        const ForeignKey key(kind);
        Guarded at(key.public_pem(), {.issuer = "https://issuer", .service = "class"});
        const HttpReply refused = at.ask("GET", "/v2/");
        CHECK(refused.status == 401);
        CHECK(header(refused, "WWW-Authenticate") ==
              R"(Bearer realm="https://tokens.example/get",service="class")");
        json body = claims("*");
        body["iss"] = "https://issuer";
        body["aud"] = "class";
        CHECK(at.status_with(key.token(body)) == 404);
        CHECK(at.status_with(ForeignKey(kind).token(body)) == 401);
        CHECK(at.status_with(key.token(claims())) == 401);  // issuer and audience are fixed
        CHECK(at.ask("GET", "/token", Guarded::password("ann")).status == 401);
        CHECK(at.ask("GET", "/v2/", Guarded::password("ann")).status == 401);
    }
}

TEST_CASE("Registry: one gives tokens that another takes", "[06][registry][auth][token]") {
    Guarded giver;
    Guarded taker(read_file(giver.directory.path() / "root/token/public.pem", 9999),
                  TokenOptions{});
    const std::string token =
        giver.token("&scope=repository%3Aa%3Apull%2Cpush", Guarded::password("bob"));
    CHECK(taker.ask("POST", "/v2/a/blobs/uploads/", token).status == 202);
    CHECK(taker.ask("POST", "/v2/b/blobs/uploads/", token).status == 401);
    CHECK((fs::status(giver.directory.path() / "root/token/key.pem").permissions() &
           fs::perms::mask) == fs::perms(0600));
}

TEST_CASE("Registry: rules say who may pull, push and delete what", "[06][registry][auth][rules]") {
    const std::string rules =
        "# who   what        may\n"
        "ann       team/*      pull,push,delete\n"
        "bob       team/*      pull,push\n"
        "*         shared/**   pull\n"
        "\n"
        "anonymous public/**   pull\n"
        "ann       public/**   push\n";
    for (const bool tokens : {false, true}) {
        INFO("tokens: " << tokens);
        Guarded at(rules, tokens);
        const auto as = [&](const std::string& user, const std::string& name) {
            return tokens ? at.token("&scope=repository%3A" + escape_url(name) + "%3A*",
                                     user.empty() ? "" : Guarded::password(user))
                          : (user.empty() ? "" : Guarded::password(user));
        };
        const auto push = [&](const std::string& user, const std::string& name) {
            const std::string path =
                fmt::format("/v2/{}/blobs/uploads/?digest={}", name, digest_of("b").text());
            return at.ask("POST", path, as(user, name), "b").status;
        };
        const auto pull = [&](const std::string& user, const std::string& name) {
            return at
                .ask("GET", fmt::format("/v2/{}/blobs/{}", name, digest_of("b").text()),
                     as(user, name))
                .status;
        };
        const int denied = tokens ? 401 : 403;
        CHECK(push("ann", "team/app") == 201);
        CHECK(pull("ann", "team/app") == 200);
        CHECK(push("bob", "team/app") == 201);
        CHECK(push("bob", "team/app/deep") == denied);
        CHECK(push("bob", "other") == denied);
        CHECK(push("ann", "public/x/y") == 201);
        CHECK(push("bob", "public/x/y") == denied);
        CHECK(pull("bob", "public/x/y") == 200);
        CHECK(pull("", "public/x/y") == 200);
        CHECK(pull("", "team/app") == 401);
        CHECK(push("", "public/x/y") == 401);
        CHECK(pull("bob", "shared/lib") == 404);
        const std::string blob = "/v2/team/app/blobs/" + digest_of("b").text();
        CHECK(at.ask("DELETE", blob, as("bob", "team/app")).status == denied);
        // A mount needs a pull at its source: else it is as if that had nothing.
        const std::string mount =
            fmt::format("/v2/team/b/blobs/uploads/?mount={}&from=", digest_of("b").text());
        const auto mounting = [&](const std::string& user, const std::string& from) {
            const std::string authorization =
                tokens ? at.token("&scope=repository%3Ateam%2Fb%3A*&scope=repository%3A" +
                                      escape_url(from) + "%3Apull",
                                  Guarded::password(user))
                       : Guarded::password(user);
            return at.ask("POST", mount + from, authorization).status;
        };
        CHECK(mounting("bob", "secret/x") == 202);
        CHECK(mounting("bob", "public/x/y") == 201);
        CHECK(at.ask("DELETE", blob, as("ann", "team/app")).status == 202);
        CHECK(at.ask("GET", "/v2/").status == 401);
    }
}

TEST_CASE("Registry: who may not pull from a repository mounts nothing from it, named or not",
          "[06][registry][auth][rules]") {
    Guarded at("ann secret/* pull,push\nbob open/* pull,push\n", false);
    const std::string digest = digest_of("b").text();
    REQUIRE(at.ask("POST", "/v2/secret/x/blobs/uploads/?digest=" + digest, Guarded::password("ann"),
                   "b")
                .status == 201);
    for (const char* from : {"&from=secret/x", ""}) {
        INFO(from);
        CHECK(at.ask("POST", "/v2/open/x/blobs/uploads/?mount=" + digest + from,
                     Guarded::password("bob"))
                  .status == 202);
    }
    CHECK(at.ask("GET", "/v2/open/x/blobs/" + digest, Guarded::password("bob")).status == 404);
}

TEST_CASE("Registry: the catalog lists what one may pull", "[06][registry][auth][rules]") {
    Guarded at("ann ** pull,push\nbob open/* pull\nanonymous open/* pull\n", false);
    for (const std::string& name : {std::string("open/x"), std::string("secret/y")}) {
        const std::string digest = digest_of("{}").text();
        REQUIRE(at.ask("POST", fmt::format("/v2/{}/blobs/uploads/?digest={}", name, digest),
                       Guarded::password("ann"), "{}")
                    .status == 201);
        const json manifest = {
            {"schemaVersion", 2},
            {"mediaType", kManifestType},
            {"config", {{"mediaType", kConfigType}, {"digest", digest}, {"size", 2}}},
            {"layers", json::array()}};
        REQUIRE(
            at.ask("PUT", "/v2/" + name + "/manifests/v", Guarded::password("ann"), manifest.dump())
                .status == 201);
    }
    CHECK(at.ask("GET", "/v2/_catalog", Guarded::password("ann")).body ==
          R"({"repositories":["open/x","secret/y"]})");
    CHECK(at.ask("GET", "/v2/_catalog", Guarded::password("bob")).body ==
          R"({"repositories":["open/x"]})");
    CHECK(at.ask("GET", "/v2/_catalog").status == 401);
}

TEST_CASE("AccessRules: patterns, and lines that are none are named", "[06][auth][rules]") {
    const std::vector<std::tuple<const char*, const char*, bool>> patterns = {
        {"a", "a", true},           {"a", "b", false},         {"a", "a/b", false},
        {"*", "a", true},           {"*", "a/b", false},       {"**", "a/b/c", true},
        {"team/*", "team/a", true}, {"team/*", "team", false}, {"team/*", "team/a/b", false},
        {"a*c", "abc", true},       {"a*c", "a/c", false},     {"a**c", "a/b/c", true},
        {"*/app", "x/app", true},   {"*/app", "app", false},   {"**/app", "x/y/app", true}};
    for (const auto& [pattern, name, fits] : patterns) {
        INFO(pattern << " " << name);
        CHECK(matches_repositories(pattern, name) == fits);
    }
    const TempDir directory("drydock-test-");
    const fs::path file = directory.path() / "rules";
    for (const char* line :
         {"ann", "ann team/*", "ann team/* pull more", "ann team/* fly", "ann team/* pull,",
          "ann team/* *", "ann Team pull", "ann /x pull", "ann x/ pull", "ann *** pull"}) {
        INFO(line);
        std::ofstream(file) << "# good\nann a pull\n" << line << "\n";
        CHECK_THROWS_WITH(AccessRules(file), ContainsSubstring("rules:3: expected USER"));
    }
    std::ofstream(file) << "# nothing\n";
    CHECK_THROWS_WITH(AccessRules(file), ContainsSubstring("allows nobody anything"));
    // A pattern that makes a search go back and forth is as quick as any.
    std::string many = "*";
    for (int i = 0; i < 60; ++i) {
        many += "a*";
    }
    CHECK_FALSE(matches_repositories(many + "b", std::string(255, 'a')));
}

TEST_CASE("TokenKey: files that are no such key are named", "[06][auth][token]") {
    const TempDir directory("drydock-test-");
    const fs::path file = directory.path() / "key.pem";
    for (const std::string& text : {std::string("no key"), ForeignKey("weak").public_pem(),
                                    ForeignKey("ES384").public_pem()}) {
        std::ofstream(file) << text;
        CHECK_THROWS_WITH(TokenKey::read(file),
                          ContainsSubstring("key.pem: expected a public key"));
    }
    std::ofstream(file) << ForeignKey("RS256").public_pem();
    CHECK(TokenKey::read(file).algorithm() == "RS256");
    CHECK_THROWS_WITH(TokenKey::own(directory.path()),
                      ContainsSubstring("key.pem: expected an Ed25519 key"));
}

TEST_CASE("base64url: what is written is what is read, and nothing else is", "[06][auth][token]") {
    for (const std::string& bytes : {std::string(), std::string("a"), std::string("ab"),
                                     std::string("abc"), std::string("\xff\xfe\x00\x3e", 4)}) {
        CHECK(decode_base64url(encode_base64url(bytes)) == bytes);
    }
    CHECK(encode_base64url("\xfb\xff") == "-_8");
    for (const char* wrong : {"a", "YQ==", "Y Q", "YR", "-_9", "+/8", "YWI\n", "YQ=", "a!b_"}) {
        INFO(wrong);
        CHECK_THROWS_AS(decode_base64url(wrong), TokenRefused);
    }
}
