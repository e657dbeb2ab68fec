// Pull and push against a registry, against liars, and as programs. Needs root: layers hold files
// of any owner.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/child.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/tar_create.hpp"
#include "05-images/image_store.hpp"
#include "06-registry/http_client.hpp"
#include "06-registry/pull.hpp"
#include "06-registry/push.hpp"
#include "06-registry/registry.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "raw_client.hpp"

using namespace drydock;
using namespace drydock::testing;
namespace fs = std::filesystem;

namespace {

std::string random_bytes(std::size_t size, unsigned seed) {
    std::mt19937 engine(seed);
    std::string bytes(size, '\0');
    for (char& c : bytes) {
        c = static_cast<char>(engine());
    }
    return bytes;
}

/// An image of two layers.
Image make_image(ImageStore& store, const Reference& name, unsigned seed = 1) {
    oci::ImageConfig config;
    config.platform = host_platform();
    config.config.cmd = std::vector<std::string>{"/bin/true"};
    std::vector<oci::Descriptor> layers;
    for (unsigned i = 0; i < 2; ++i) {
        const TempDir tree("drydock-test-");
        std::ofstream(tree.path() / fmt::format("file{}", i))
            << random_bytes(400'000, seed * 10 + i);
        const UniqueFd directory = open_file(tree.path(), O_RDONLY | O_DIRECTORY);
        const LayerBlob blob = create_layer(store.content(), directory.get());
        config.diff_ids.push_back(blob.diff_id);
        layers.push_back({.media_type = blob.media_type, .digest = blob.digest, .size = blob.size});
    }
    return store.put_image(config, layers, name);
}

std::string tree_of(const fs::path& directory) {
    std::string names;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
        if (entry.is_regular_file()) {
            names += entry.path().lexically_relative(directory).native() + "\n";
        }
    }
    return names;
}

using Tamper = std::function<bool(HttpExchange&)>;  ///< true: it has answered

/// A registry that notes what it is asked, and may be made to lie.
struct Fixture {
    explicit Fixture(const fs::path& htpasswd = {})
        : registry({.root = directory.path() / "root", .htpasswd = htpasswd}),
          server([this](HttpExchange& exchange) { handle(exchange); }) {}

    void handle(HttpExchange& exchange) {
        const HttpRequest& request = exchange.request();
        {
            const std::lock_guard lock(mutex);
            asked.push_back(request.method + " " + request.path);
            authorizations.emplace_back(request.header("Authorization"));
        }
        if (!tamper || !tamper(exchange)) {
            registry.handle(exchange);
        }
    }
    Reference reference(const std::string& name) const {
        return parse_reference(server.address() + "/" + name);
    }
    /// How many requests there were whose "METHOD /path" begins and goes on like this.
    int count(const std::string& begin, const std::string& part) {
        const std::lock_guard lock(mutex);
        return static_cast<int>(std::ranges::count_if(asked, [&](const std::string& line) {
            return line.starts_with(begin) && line.find(part) != std::string::npos;
        }));
    }

    TempDir directory{"drydock-test-"};
    std::mutex mutex{};
    std::vector<std::string> asked{};
    std::vector<std::string> authorizations{};
    Tamper tamper{};
    Registry registry;
    ImageStore store{directory.path() / "data"};
    ImageStore other{directory.path() / "other"};
    RunningServer server;
};

ProgressCallback collect(std::vector<std::string>& lines) {
    return [&lines](const Progress& progress) {
        if (progress.total == 0) {
            lines.push_back(progress.id.empty() ? progress.status
                                                : progress.id + ": " + progress.status);
        }
    };
}

std::string message_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "(no error)";
}

bool nothing_stored(const ImageStore& store) {
    return store.content().list().empty() && store.list().empty() &&
           fs::is_empty(store.data_root() / "tmp");
}

}  // namespace

TEST_CASE("pull and push: an image comes back with the same digest and the same files",
          "[06][pull][push]") {
    Fixture at;
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
    Fixture at;
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
    Fixture at;
    const Image first = make_image(at.store, at.reference("a:1"), 1);
    push(at.store, at.reference("a:1"), {}, {});
    make_image(at.store, at.reference("a:1"), 2);
    push(at.store, at.reference("a:1"), {}, {});
    const Reference by_digest = at.reference("a@" + first.manifest.digest.text());
    CHECK(pull(at.other, by_digest, {}, {}) == first.manifest.digest.text());
    CHECK(pull(at.other, at.reference("a:1"), {}, {}) != first.manifest.digest.text());
}

TEST_CASE("pull: from an index the manifest for this machine is taken", "[06][pull]") {
    Fixture at;
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
    Fixture at;
    const Reference name = at.reference("nope:v1");
    CHECK(message_of([&] { pull(at.other, name, {}, {}); }) ==
          fmt::format("manifest for {}/nope:v1 not found: manifest unknown", at.server.address()));
    CHECK(nothing_stored(at.other));
    CHECK_THAT(message_of([&] { push(at.other, name, {}, {}); }),
               ContainsSubstring("An image does not exist locally with the tag: " +
                                 at.server.address() + "/nope"));
}

TEST_CASE("pull and push: a registry that is not there is named", "[06][pull][push]") {
    Fixture at;
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
    Fixture at;
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
    Fixture at;
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

TEST_CASE("pull: a layer that unpacks to another DiffID gets no name and leaves nothing",
          "[06][pull][liar]") {
    Fixture at;
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
    Fixture at;
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

TEST_CASE("pull and push: Basic credentials, right and wrong", "[06][auth]") {
    const TempDir directory("drydock-test-");
    const fs::path file = directory.path() / "htpasswd";
    // htpasswd -nbBC 4 ann secret
    std::ofstream(file) << "ann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
    Fixture at(file);
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
    Fixture at;
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
    Fixture at;
    Fixture elsewhere;
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

TEST_CASE("pull: a registry that redirects in circles is left", "[06][pull]") {
    Fixture at;
    at.tamper = [](HttpExchange& exchange) {
        exchange.respond(302, {{.name = "Location", .value = exchange.request().path}}, "");
        return true;
    };
    CHECK_THAT(message_of([&] { pull(at.other, at.reference("a:1"), {}, {}); }),
               ContainsSubstring("more than 5 redirects"));
}

namespace {

/// drydock-06 serve as a process.
class ServingProgram {
  public:
    explicit ServingProgram(const fs::path& root) {
        Pipe out = make_pipe();
        child_ = clone_child(0);
        if (!child_) {
            ::dup2(out.write.get(), 1);
            const std::string program = program_path("drydock-06").native();
            ::execl(program.c_str(), program.c_str(), "serve", "--listen", "127.0.0.1:0", "--root",
                    root.c_str(), nullptr);
            ::_exit(127);
        }
        out.write.close();
        const std::string begin = "listening on ";
        std::string line;
        char c = 0;
        while (::read(out.read.get(), &c, 1) == 1 && c != '\n') {
            line.push_back(c);
        }
        address_ = line.substr(std::min(begin.size(), line.size()));
    }
    [[nodiscard]] const std::string& address() const { return address_; }
    int end(int signal) {
        child_.signal(signal);
        return child_.wait();
    }

  private:
    Child child_{};
    std::string address_{};
};

}  // namespace

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

TEST_CASE("drydock-06: push and pull as programs, wrong use in one line", "[06][program]") {
    Fixture at;
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

    const auto fails = [](const std::vector<std::string>& argv) {
        const Outcome outcome = run_program(argv);
        CHECK(outcome.status == 125);
        CHECK(std::ranges::count(outcome.err, '\n') <= 2);
        return outcome.err;
    };
    CHECK_THAT(fails({"drydock-06", "pull", "--data-root", at.other.data_root(), "A"}),
               ContainsSubstring("drydock-06: "));
    CHECK_THAT(fails({"drydock-06", "pull", "--data-root", at.other.data_root(), "127.0.0.1:1/x"}),
               ContainsSubstring("cannot reach http://127.0.0.1:1"));
    const std::string root = at.directory.path() / "r";
    CHECK_THAT(fails({"drydock-06", "serve", "--root", root, "--listen", "0.0.0.0:0"}),
               ContainsSubstring("others could reach it"));
    CHECK_THAT(fails({"drydock-06", "serve", "--root", root, "--listen", at.server.address()}),
               ContainsSubstring("another process listens there"));
    CHECK_THAT(fails({"drydock-06", "serve", "--root", at.directory.path() / "root", "--listen",
                      "127.0.0.1:0"}),
               ContainsSubstring("another registry serves it"));
    CHECK_THAT(fails({"drydock-06", "serve"}), ContainsSubstring("--root is required"));
}

TEST_CASE("Registry: skopeo copies there and back", "[06][peer]") {
    if (!installed_or_skipped("skopeo")) {
        return;
    }
    Fixture at;
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
