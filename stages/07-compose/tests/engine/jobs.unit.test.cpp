#include "07-compose/engine/jobs.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::JobOutcome;
using drydock::Jobs;

TEST_CASE("Jobs: one that is left without done() has failed", "[07][jobs]") {
    Jobs jobs;
    {
        const auto pull = jobs.begin("pull", "busybox");
        const auto push = jobs.begin("push", "busybox");
        pull->progress("half");
        CHECK(jobs.list().front().outcome == JobOutcome::Running);
        push->done();
    }
    const auto list = jobs.list();
    REQUIRE(list.size() == 2);
    CHECK(list[0].outcome == JobOutcome::Failed);
    CHECK(list[0].progress == "half");
    CHECK(list[1].outcome == JobOutcome::Done);
    CHECK(list[1].ended);
}

TEST_CASE("Jobs: only so many that ended are kept, and all that run", "[07][jobs]") {
    Jobs jobs;
    const auto runs = jobs.begin("build", "x");
    for (int i = 0; i < 300; ++i) {
        jobs.begin("start", "c")->done();
    }
    CHECK(jobs.list().size() < 110);
    CHECK(jobs.list().front().id == runs->id());
}

}  // namespace
