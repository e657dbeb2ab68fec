// Several layers at a time, several pulls of the same image, and pulls that are killed. Needs root:
// layers hold files of any owner.
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <thread>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "04-layers/chain_id.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"

#include "transfer_fixture.hpp"

using namespace drydock;
using namespace drydock::testing;

namespace {

bool is_blob_get(const HttpExchange& exchange) {
    return exchange.request().method == "GET" &&
           exchange.request().path.find("/blobs/sha256:") != std::string::npos;
}

/// Counts who is there at the same time.
class Crowd {
  public:
    void come() {
        const std::lock_guard lock(mutex_);
        most_ = std::max(most_, ++now_);
        changed_.notify_all();
    }
    void go() {
        const std::lock_guard lock(mutex_);
        --now_;
    }
    /// Until `count` are there, or half a second is over.
    void gather(int count) {
        std::unique_lock lock(mutex_);
        changed_.wait_until(lock, std::chrono::system_clock::now() + std::chrono::milliseconds(500),
                            [&] { return most_ >= count; });
    }
    int most() {
        const std::lock_guard lock(mutex_);
        return most_;
    }

  private:
    std::mutex mutex_{};
    std::condition_variable changed_{};
    int now_ = 0;
    int most_ = 0;
};

/// The files of an image as it was unpacked, "file0\nfile1\n".
std::string files_of(ImageStore& store, const Reference& name) {
    std::string files;
    for (const Digest& chain : store.unpack(store.get(familiar(name)))) {
        files += tree_of(store.snapshots().layer_directory(chain));
    }
    return files;
}

bool is_consistent(const ImageStore& store) {
    return std::ranges::all_of(store.content().list(), [&](const Digest& digest) {
        return store.content().verify(digest);
    });
}

/// @return its exit status, or 128 + the signal that ended it
int run_drydock_06(const std::string& environment, const std::string& arguments) {
    const std::string command = fmt::format("{} exec {} {} >/dev/null 2>&1", environment,
                                            program_path("drydock-06").native(), arguments);
    const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe)
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("pull: three layers come at the same time, or as many as asked for",
          "[06][pull][parallel]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    make_image(at.store, name, 1, 6);
    push(at.store, name, {}, {});
    const unsigned at_once = GENERATE(0U, 1U, 5U);
    const int expected = at_once == 0 ? 3 : static_cast<int>(at_once);
    INFO(at_once);
    Crowd crowd;
    at.tamper = [&](HttpExchange& exchange) {
        if (!is_blob_get(exchange)) {
            return false;
        }
        crowd.come();
        crowd.gather(expected + 1);
        at.registry.handle(exchange);
        crowd.go();
        return true;
    };
    pull(at.other, name, {}, {}, {.at_once = at_once});
    CHECK(crowd.most() == expected);
    CHECK(files_of(at.other, name) == "file0\nfile1\nfile2\nfile3\nfile4\nfile5\n");
}

TEST_CASE("pull: daemon.json says how many layers come at the same time", "[06][pull][parallel]") {
    TransferFixture at;
    const fs::path config = at.directory.path() / "config";
    fs::create_directories(config);
    ::setenv("DRYDOCK_CONFIG", config.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    const Reference name = at.reference("a:1");
    make_image(at.store, name, 1, 4);
    push(at.store, name, {}, {});
    std::ofstream(config / "daemon.json") << R"({"max-concurrent-downloads": 2})";
    Crowd crowd;
    at.tamper = [&](HttpExchange& exchange) {
        if (!is_blob_get(exchange)) {
            return false;
        }
        crowd.come();
        crowd.gather(3);
        at.registry.handle(exchange);
        crowd.go();
        return true;
    };
    pull(at.other, name, {}, {});
    CHECK(crowd.most() == 2);
    for (const char* wrong : {"0", "-1", "\"3\"", "1001"}) {
        std::ofstream(config / "daemon.json")
            << fmt::format(R"({{"max-concurrent-downloads": {}}})", wrong);
        CHECK_THROWS_WITH(pull(at.other, name, {}, {}),
                          ContainsSubstring("max-concurrent-downloads: expected a whole number"));
    }
    ::unsetenv("DRYDOCK_CONFIG");  // NOLINT(concurrency-mt-unsafe)
}

TEST_CASE("pull: a layer is unpacked while it comes", "[06][pull][parallel]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name, 1, 1);
    push(at.store, name, {}, {});
    const Digest layer = at.store.manifest(image).layers.front().digest;
    const std::string blob = at.store.content().read(layer, std::size_t{1} << 20U);
    bool unpacked_before_end = false;
    at.tamper = [&](HttpExchange& exchange) {
        if (!is_blob_get(exchange) || !exchange.request().path.ends_with(layer.text())) {
            return false;
        }
        HttpStream stream = exchange.begin_stream(200, {});
        stream.write(std::string_view(blob).substr(0, 350'000));
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        while (!unpacked_before_end && std::chrono::steady_clock::now() < deadline) {
            unpacked_before_end =
                tree_of(at.other.data_root() / "snapshots/tmp").find("file0") != std::string::npos;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        CHECK(at.other.snapshots().list().empty());
        stream.write(std::string_view(blob).substr(350'000));
        stream.finish();
        return true;
    };
    pull(at.other, name, {}, {});
    CHECK(unpacked_before_end);
    CHECK(files_of(at.other, name) == "file0\n");
}

TEST_CASE("pull: what is unpacked while it comes is gone when its last byte is a lie",
          "[06][pull][parallel][liar]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name);
    push(at.store, name, {}, {});
    const Digest layer = at.store.manifest(image).layers.back().digest;
    const std::string blob = at.store.content().read(layer, std::size_t{1} << 20U);
    at.tamper = [&](HttpExchange& exchange) {
        if (!is_blob_get(exchange) || !exchange.request().path.ends_with(layer.text())) {
            return false;
        }
        std::string other = blob;
        other[4] ^= 1;  // a time in the header of gzip: unpacks to the same
        exchange.respond(200, {}, other);
        return true;
    };
    CHECK_THROWS_WITH(pull(at.other, name, {}, {}), ContainsSubstring("its bytes have the digest"));
    CHECK(nothing_stored(at.other));
    CHECK(at.other.snapshots().list().empty());
    CHECK(fs::is_empty(at.other.data_root() / "snapshots/tmp"));
}

TEST_CASE("pull: many pulls of one image at once fetch each blob once", "[06][pull][parallel]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name, 1, 4);
    push(at.store, name, {}, {});
    at.tamper = [&](HttpExchange& exchange) {
        if (is_blob_get(exchange)) {
            std::this_thread::sleep_for(std::chrono::milliseconds(30));  // so that they do meet
        }
        return false;
    };
    std::vector<std::jthread> threads;
    std::atomic<int> done = 0;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            ImageStore own(at.other.data_root());
            done += pull(own, name, {}, {}) == image.manifest.digest.text() ? 1 : 0;
        });
    }
    threads.clear();
    CHECK(done == 8);
    CHECK(at.count("GET", "/blobs/") == 5);
    CHECK(fs::is_empty(at.other.data_root() / "tmp"));
    CHECK(at.other.snapshots().list().size() == 4);
}

TEST_CASE("pull: several programs that pull one image fetch each blob once",
          "[06][pull][parallel]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    make_image(at.store, name, 1, 4);
    push(at.store, name, {}, {});
    at.tamper = [&](HttpExchange& exchange) {
        if (is_blob_get(exchange)) {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        return false;
    };
    std::vector<std::jthread> threads;
    std::atomic<int> done = 0;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
            done +=
                run_drydock_06("", fmt::format("pull --data-root {} {}",
                                               at.other.data_root().native(), to_string(name))) == 0
                    ? 1
                    : 0;
        });
    }
    threads.clear();
    CHECK(done == 3);
    CHECK(at.count("GET", "/blobs/") == 5);
    CHECK(fs::is_empty(at.other.data_root() / "tmp"));
}

TEST_CASE("pull: a first layer that is not compressed has one digest for two things",
          "[06][pull][parallel]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    make_image(at.store, name, 1, 1);
    const std::string archive(10'240, '\0');  // an empty archive
    oci::ImageConfig config{.platform = host_platform()};
    config.diff_ids = {at.store.content().put(archive)};
    const oci::Descriptor layer{.media_type = std::string(media_type::kOciLayer),
                                .digest = config.diff_ids.front(),
                                .size = archive.size()};
    const Image image = at.store.put_image(config, {layer}, name);
    push(at.store, name, {}, {});
    CHECK(pull(at.other, name, {}, {}) == image.manifest.digest.text());
    CHECK(at.other.snapshots().contains(layer.digest));
}

TEST_CASE("pull: what one that fails has fetched stays when another image needs it",
          "[06][pull][parallel]") {
    TransferFixture at;
    const Reference good = at.reference("a:1");
    const Reference bad = at.reference("a:2");
    const Image whole = make_image(at.store, good, 1, 1);
    make_image(at.store, bad, 1, 3);  // its first layer is the one of the other
    push(at.store, good, {}, {});
    push(at.store, bad, {}, {});
    const Digest shared = at.store.manifest(whole).layers.front().digest;
    const Digest last = at.store.manifest(at.store.get(familiar(bad))).layers.back().digest;
    at.tamper = [&](HttpExchange& exchange) {
        if (!is_blob_get(exchange) || !exchange.request().path.ends_with(last.text())) {
            return false;
        }
        // The other image comes while this one has the shared layer already.
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        while (!at.other.content().contains(shared) &&
               std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        CHECK(message_of([&] { pull(at.other, good, {}, {}); }) == "(no error)");
        exchange.respond(404, {}, "");
        return true;
    };
    CHECK_THROWS_AS(pull(at.other, bad, {}, {}), RegistryError);
    CHECK(at.count("GET", shared.text()) == 1);
    CHECK(at.other.content().list().size() == 3);
    CHECK(at.other.snapshots().list().size() == 1);
    CHECK(files_of(at.other, good) == "file0\n");
    CHECK(is_consistent(at.other));
}

TEST_CASE("pull: killed at any step, the next one succeeds and nothing unfinished stays",
          "[06][pull][kill]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name, 1, 3);
    push(at.store, name, {}, {});
    const std::string step = GENERATE("pull-manifest", "pull-config", "pull-layer-bytes",
                                      "pull-layer", "pull-unpack", "pull-install", "pull-tag");
    INFO(step);
    const std::string arguments =
        fmt::format("pull --data-root {} {}", at.other.data_root().native(), to_string(name));
    CHECK(run_drydock_06(fmt::format("DRYDOCK_FAIL={}:kill", step), arguments) == 128 + 9);
    CHECK(is_consistent(at.other));
    CHECK(run_drydock_06("", arguments) == 0);
    CHECK(is_consistent(at.other));
    CHECK(at.other.get(familiar(name)).manifest.digest == image.manifest.digest);
    CHECK(files_of(at.other, name) == "file0\nfile1\nfile2\n");
    CHECK(fs::is_empty(at.other.data_root() / "tmp"));
}

TEST_CASE("pull: a signal ends it by its own hand, and the next one goes on", "[06][pull][kill]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name, 1, 1);
    push(at.store, name, {}, {});
    const int signal = GENERATE(SIGINT, SIGTERM);
    CAPTURE(signal);
    const std::string layer = at.store.manifest(image).layers.front().digest.text();
    const fs::path pid = at.directory.path() / "pid";
    at.tamper = [&](HttpExchange& exchange) {
        if (exchange.request().path.ends_with(layer)) {
            ::kill(std::stoi(read_file(pid)), signal);
        }
        return false;
    };
    const std::string pull_it = fmt::format("{} pull --data-root {} {} >/dev/null 2>&1",
                                            program_path("drydock-06").native(),
                                            at.other.data_root().native(), to_string(name));
    const std::string command = fmt::format("echo $$ > {}; exec {}", pid.native(), pull_it);
    const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe)
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 128 + signal);
    CHECK(is_consistent(at.other));
    at.tamper = {};
    CHECK(pull(at.other, name, {}, {}) == image.manifest.digest.text());
}

TEST_CASE("pull: bytes that a killed one left are not fetched again", "[06][pull][kill]") {
    TransferFixture at;
    const Reference name = at.reference("a:1");
    const Image image = make_image(at.store, name, 1, 1);
    push(at.store, name, {}, {});
    const Digest layer = at.store.manifest(image).layers.front().digest;
    const std::string blob = at.store.content().read(layer, std::size_t{1} << 20U);
    const bool damaged = GENERATE(false, true);
    std::string left = blob.substr(0, 300'000);
    if (damaged) {
        left[1000] ^= 1;
    }
    std::ofstream(at.other.data_root() / "tmp" / fmt::format("fetch-{}", layer.hex())) << left;
    std::vector<std::string> ranges;
    at.tamper = [&](HttpExchange& exchange) {
        if (exchange.request().path.ends_with(layer.text())) {
            ranges.emplace_back(exchange.request().header("Range"));
        }
        return false;
    };
    CHECK(pull(at.other, name, {}, {}) == image.manifest.digest.text());
    CHECK(ranges == (damaged ? std::vector<std::string>{"bytes=300000-", ""}
                             : std::vector<std::string>{"bytes=300000-"}));
    CHECK(is_consistent(at.other));
    CHECK(fs::is_empty(at.other.data_root() / "tmp"));
}
