// Pull and push against a registry, and against liars. Needs root: layers hold files of any owner.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

#include "transfer_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

TEST_CASE("pull and push: an image comes back with the same digest and the same files",
          "[06][pull][push]") {
    TransferFixture at;
    const Reference name = at.reference("demo/web:v1");
    const Image image = make_image(at.store, name);
    std::vector<std::string> lines;
    CHECK(push(at.store, name, {}, collect(lines)) == image.manifest.digest.text());
    CHECK(lines.front() ==
          fmt::format("The push refers to repository [{}/demo/web]", at.server.address()));
    CHECK_THAT(lines.back(),
               ContainsSubstring("v1: digest: " + image.manifest.digest.text() + " size: "));
    CHECK(std::ranges::count_if(
              lines, [](const std::string& line) { return line.ends_with(": Pushed"); }) == 2);

    at.store.remove(image);
    CHECK(at.store.content().list().empty());
    lines.clear();
    CHECK(pull(at.store, name, {}, collect(lines)) == image.manifest.digest.text());
    CHECK(lines.front() == "v1: Pulling from demo/web");
    CHECK(lines.at(lines.size() - 2) == "Digest: " + image.manifest.digest.text());
    CHECK(lines.back() == "Status: Downloaded newer image for " + familiar(name));
    for (const char* word : {": Pulling fs layer", ": Download complete", ": Pull complete"}) {
        CHECK(std::ranges::count_if(
                  lines, [&](const std::string& line) { return line.ends_with(word); }) == 2);
    }
    const auto pulled = at.store.find(name);
    REQUIRE(pulled.has_value());
    CHECK(pulled->id == image.id);
    std::string files;
    for (const Digest& chain : at.store.unpack(*pulled)) {
        files += tree_of(at.store.snapshots().layer_directory(chain));
    }
    CHECK(files == "file0\nfile1\n");
}

TEST_CASE("pull and push: what is there already is not sent and not fetched", "[06][pull][push]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    make_image(at.store, name);
    push(at.store, name, {}, {});
    CHECK(at.count("POST", "/blobs/uploads/") == 3);
    std::vector<std::string> lines;
    push(at.store, name, {}, collect(lines));
    CHECK(at.count("POST", "/blobs/uploads/") == 3);
    CHECK(std::ranges::count_if(lines, [](const std::string& line) {
              return line.ends_with(": Layer already exists");
          }) == 2);

    pull(at.other, name, {}, {});
    CHECK(at.count("GET", "/blobs/") == 3);
    lines.clear();
    pull(at.other, name, {}, collect(lines));
    CHECK(at.count("GET", "/blobs/") == 3);
    CHECK(lines.back() == "Status: Image is up to date for " + familiar(name));
    CHECK(std::ranges::count_if(lines, [](const std::string& line) {
              return line.ends_with(": Already exists");
          }) == 2);
}

TEST_CASE("pull: by digest, and whatever the tag says by then", "[06][pull]") {
    TransferFixture at;
    const Image first = make_image(at.store, at.reference("a:1"), 1);
    push(at.store, at.reference("a:1"), {}, {});
    make_image(at.store, at.reference("a:1"), 2);
    push(at.store, at.reference("a:1"), {}, {});
    const Reference by_digest = at.reference("a@" + first.manifest.digest.text());
    CHECK(pull(at.other, by_digest, {}, {}) == first.manifest.digest.text());
    CHECK(pull(at.other, at.reference("a:1"), {}, {}) != first.manifest.digest.text());
}

TEST_CASE("pull: from an index the manifest for this machine is taken", "[06][pull]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name);
    push(at.store, name, {}, {});
    const auto put_index = [&](const std::string& tag, const std::string& architecture) {
        const nlohmann::json index{
            {"schemaVersion", 2},
            {"mediaType", media_type::kOciIndex},
            {"manifests",
             {{{"mediaType", image.manifest.media_type},
               {"digest", image.manifest.digest.text()},
               {"size", image.manifest.size},
               {"platform", {{"os", "linux"}, {"architecture", architecture}}}}}}};
        HttpClient client;
        REQUIRE(
            client
                .call({.method = "PUT",
                       .url = fmt::format("http://{}/v2/a/manifests/{}", at.server.address(), tag),
                       .headers = {{.name = "Content-Type",
                                    .value = std::string(media_type::kOciIndex)}},
                       .body = index.dump()})
                .status == 201);
    };
    put_index("all", host_platform().architecture);
    put_index("none", "pdp11");
    CHECK(pull(at.other, at.reference("a:all"), {}, {}) == image.manifest.digest.text());
    CHECK_THAT(message_of([&] { pull(at.other, at.reference("a:none"), {}, {}); }),
               ContainsSubstring("no matching manifest for linux/"));
}

TEST_CASE("pull: an unknown image is what docker says", "[06][pull]") {
    TransferFixture at;
    const Reference name = at.reference("nope:v1");
    CHECK(message_of([&] { pull(at.other, name, {}, {}); }) ==
          fmt::format("manifest for {}/nope:v1 not found: manifest unknown", at.server.address()));
    CHECK(nothing_stored(at.other));
    CHECK_THAT(message_of([&] { push(at.other, name, {}, {}); }),
               ContainsSubstring("An image does not exist locally with the tag: " +
                                 at.server.address() + "/nope"));
}

TEST_CASE("pull and push: a registry that is not there is named", "[06][pull][push]") {
    TransferFixture at;
    const Reference name = parse_reference("127.0.0.1:1/x:v1");
    CHECK_THAT(message_of([&] { pull(at.other, name, {}, {}); }),
               ContainsSubstring("cannot reach http://127.0.0.1:1") &&
                   ContainsSubstring("check that a registry listens there"));
    make_image(at.store, name);
    CHECK_THAT(message_of([&] { push(at.store, name, {}, {}); }),
               ContainsSubstring("cannot reach http://127.0.0.1:1"));
    CHECK(nothing_stored(at.other));
}

TEST_CASE("pull: whatever a registry lies about a blob, nothing of it is stored",
          "[06][pull][liar]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name);
    push(at.store, name, {}, {});
    const auto layers = at.store.manifest(image).layers;
    const std::string victim = layers.back().digest.text();
    const std::string config = image.id.text();

    const auto lie = [&](const std::string& about,
                         const std::function<void(HttpExchange&, std::string)>& answer) {
        at.tamper = [&, about](HttpExchange& exchange) {
            if (exchange.request().method != "GET" || !exchange.request().path.ends_with(about)) {
                return false;
            }
            answer(exchange, at.store.content().read(parse_digest(about), 1U << 24U));
            return true;
        };
        const std::string message = message_of([&] { pull(at.other, name, {}, {}); });
        INFO(message);
        CHECK(message != "(no error)");
        CHECK(nothing_stored(at.other));
    };
    for (const std::string& about : {victim, config}) {
        lie(about, [](HttpExchange& exchange, std::string bytes) {  // one bit
            bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
            exchange.respond(200, {}, bytes);
        });
        lie(about, [](HttpExchange& exchange, const std::string& bytes) {
            exchange.respond(200, {}, bytes + "x");
        });
        lie(about, [](HttpExchange& exchange, const std::string& bytes) {
            exchange.respond(200, {}, bytes.substr(0, bytes.size() - 1));
        });
        lie(about, [](HttpExchange& exchange, const std::string& bytes) {  // cut off in the middle
            exchange.begin_stream(200, {}).write(bytes.substr(0, bytes.size() / 2));
        });
        lie(about,
            [](HttpExchange& exchange, const std::string&) { exchange.respond(200, {}, ""); });
        lie(about,
            [](HttpExchange& exchange, const std::string&) { exchange.respond(206, {}, "x"); });
        lie(about,
            [](HttpExchange& exchange, const std::string&) { exchange.respond(500, {}, "x"); });
        lie(about, [](HttpExchange& exchange, const std::string&) {  // without end
            HttpStream stream = exchange.begin_stream(200, {});
            const std::string much(1 << 20, 'x');
            for (int i = 0; i < 10'000; ++i) {
                stream.write(much);
            }
        });
    }
    at.tamper = {};
    CHECK(pull(at.other, name, {}, {}) == image.manifest.digest.text());
}

TEST_CASE("pull: a manifest that can be read in two ways, or is too much, is refused",
          "[06][pull][liar]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name);
    push(at.store, name, {}, {});
    const std::string good = at.store.manifest_text(image);
    const std::string type = image.manifest.media_type;
    std::vector<std::pair<std::string, std::string>> corpus = {
        {"", type},
        {"{", type},
        {"[]", type},
        {"{}", type},
        {good + "x", type},
        {"{\"schemaVersion\":2," + good.substr(1), type},
        {good, std::string(media_type::kOciIndex)},
        {good, std::string(media_type::kDockerManifest)},
        {good, "text/html"},
        {std::string(std::size_t{5} << 20U, ' '), type},
        {std::string(100'000, '['), type},
    };
    nlohmann::json document = nlohmann::json::parse(good);
    document["manifests"] = nlohmann::json::array();
    corpus.emplace_back(document.dump(), type);
    document = nlohmann::json::parse(good);
    document["layers"][0]["digest"] = "sha256:../../../../etc/passwd";
    corpus.emplace_back(document.dump(), type);
    document = nlohmann::json::parse(good);
    document["layers"][0]["size"] = -1;
    corpus.emplace_back(document.dump(), type);
    document = nlohmann::json::parse(good);
    document["config"]["size"] = std::int64_t{1} << 40U;
    corpus.emplace_back(document.dump(), type);
    for (const auto& [text, content_type] : corpus) {
        at.tamper = [&, text = text, content_type = content_type](HttpExchange& exchange) {
            if (exchange.request().path.find("/manifests/") == std::string::npos) {
                return false;
            }
            exchange.respond(200, {{.name = "Content-Type", .value = content_type}}, text);
            return true;
        };
        INFO(content_type << " " << text.substr(0, 200));
        CHECK(message_of([&] { pull(at.other, name, {}, {}); }) != "(no error)");
        CHECK(nothing_stored(at.other));
    }
    // Asked for by digest, a manifest with another one is a lie even if it is well made.
    at.tamper = [&](HttpExchange& exchange) {
        if (exchange.request().path.find("/manifests/") == std::string::npos) {
            return false;
        }
        exchange.respond(200, {{.name = "Content-Type", .value = type}}, good + " ");
        return true;
    };
    CHECK_THAT(message_of([&] {
                   pull(at.other, at.reference("a@" + image.manifest.digest.text()), {}, {});
               }),
               ContainsSubstring("expected manifest " + image.manifest.digest.text()));
}

TEST_CASE("pull: a manifest without end is left at its limit", "[06][pull][liar]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    std::atomic<int> sent = 0;  // MiB
    at.tamper = [&](HttpExchange& exchange) {
        HttpStream stream = exchange.begin_stream(
            200, {{.name = "Content-Type", .value = std::string(media_type::kOciManifest)}});
        const std::string much(1 << 20, ' ');
        while (sent < 1000) {
            stream.write(much);  // an exception once nobody reads
            ++sent;
        }
        return true;
    };
    CHECK_THAT(message_of([&] { pull(at.other, name, {}, {}); }),
               ContainsSubstring("the answer is larger than 4194304 bytes"));
    CHECK(sent < 100);  // what it read, and what was under way
}

TEST_CASE("pull: a layer that unpacks to another DiffID gets no name and leaves nothing",
          "[06][pull][liar]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name);
    oci::ImageConfig config = at.store.config(image);
    std::swap(config.diff_ids[0], config.diff_ids[1]);
    at.store.put_image(config, at.store.manifest(image).layers, name);
    push(at.store, name, {}, {});
    CHECK_THAT(message_of([&] { pull(at.other, name, {}, {}); }), ContainsSubstring("sha256:"));
    CHECK(nothing_stored(at.other));
    CHECK(at.other.snapshots().list().empty());
}

TEST_CASE("pull: an exception from the progress callback ends it and leaves nothing",
          "[06][pull]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    make_image(at.store, name);
    push(at.store, name, {}, {});
    CHECK(message_of([&] {
              pull(at.other, name, {}, [](const Progress& progress) {
                  if (progress.status == "Downloading") {
                      throw std::runtime_error("enough");
                  }
              });
          }) == "enough");
    CHECK(nothing_stored(at.other));
}
TEST_CASE("pull: a registry that redirects in circles is left", "[06][pull]") {
    TransferFixture at;
    at.tamper = [](HttpExchange& exchange) {
        exchange.respond(302, {{.name = "Location", .value = exchange.request().path}}, "");
        return true;
    };
    CHECK_THAT(message_of([&] { pull(at.other, at.reference("a:1"), {}, {}); }),
               ContainsSubstring("more than 5 redirects"));
}
