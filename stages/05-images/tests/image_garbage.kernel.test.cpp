#include "05-images/image_garbage.hpp"

#include <chrono>
#include <future>
#include <thread>

#include "01-chroot/error.hpp"
#include "01-chroot/unique_fd.hpp"
#include "05-images/archive.hpp"

#include "testing/catch.hpp"

#include "build_fixture.hpp"

using namespace drydock;
using drydock::testing::BuildFixture;
using drydock::testing::ContainsSubstring;

TEST_CASE("collect_garbage: layers of a build that failed go, what images need stays",
          "[05][garbage]") {
    BuildFixture f;
    const GarbageOptions now{.grace = std::chrono::seconds(0)};
    const GarbageOptions all{.build_cache = true, .grace = std::chrono::seconds(0)};
    f.request.tags = {"kept"};
    const Image kept = f.build("FROM drydock/base\nRUN echo kept > /k\n");
    f.store.unpack(f.store.get("drydock/base"));
    const std::string before = f.state();
    f.request.tags.clear();
    CHECK_THROWS_AS(f.build("FROM drydock/base\nRUN echo lost > /l\nRUN exit 3\n"), SetupError);
    CHECK(f.state() != before);

    // A step that was built can still be taken over; without the cache nobody needs it.
    CHECK(collect_garbage(f.store, now).blobs.empty());
    const GarbageOptions later{.build_cache = true};
    CHECK(collect_garbage(f.store, later).blobs.empty());
    const Garbage garbage = collect_garbage(f.store, all);
    CHECK(garbage.blobs.size() == 1);
    CHECK(garbage.layers.size() == 1);
    CHECK(garbage.bytes > 0);
    CHECK(f.state() == before);
    CHECK(f.read(f.store.get("kept"), "/k") == "kept\n");
    CHECK(f.store.get("kept").id == kept.id);
}

TEST_CASE("collect_garbage: not beside a build or a pull, nor what a container stands on",
          "[05][garbage]") {
    BuildFixture f;
    const GarbageOptions all{.build_cache = true, .grace = std::chrono::seconds(0)};
    const Image image = f.build("FROM drydock/base\nRUN echo x > /x\n");
    const std::vector<Digest> chains = f.store.unpack(image);
    {
        const StoreLease one(f.store);
        const StoreLease two(f.store);
        CHECK_THROWS_WITH(collect_garbage(f.store, all),
                          ContainsSubstring("a build or a pull is under way"));
    }
    bool asked = false;
    f.request.no_cache = true;
    f.request.cancelled = [&] {
        asked = true;
        CHECK_THROWS_AS(collect_garbage(f.store, all), InputError);
        return false;
    };
    f.build("FROM drydock/base\nENV a=b\n");
    CHECK(asked);
    f.store.snapshots().prepare("container", chains);
    f.store.remove(image, [](const Digest&) { return false; });
    f.store.snapshots().remove("container");
    collect_garbage(f.store, all);
    CHECK_FALSE(f.store.snapshots().contains(chains.back()));
}

TEST_CASE("collect_garbage: not beside a load", "[05][garbage][lease]") {
    BuildFixture f;
    const GarbageOptions all{.build_cache = true, .grace = std::chrono::seconds(0)};
    Pipe pipe = make_pipe();
    auto load = std::async(std::launch::async,
                           [&] { load_images(f.store, pipe.read.get(), "a slow archive"); });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    bool refused = false;
    while (!refused && std::chrono::steady_clock::now() < deadline) {
        try {
            collect_garbage(f.store, all);
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        } catch (const InputError&) {
            refused = true;
        }
    }
    CHECK(refused);
    pipe.write.close();
    CHECK_THROWS_AS(load.get(), InputError);
}
