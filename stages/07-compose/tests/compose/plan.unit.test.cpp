#include "07-compose/compose/plan.hpp"

#include <algorithm>
#include <random>
#include <set>

#include "testing/catch.hpp"

using namespace drydock::compose;

namespace {

/// A graph without a cycle: service i depends only on some before it, in an order then shuffled.
std::vector<Service> random_services(std::mt19937& random) {
    std::vector<Service> services(1 + random() % 12);
    for (std::size_t i = 0; i < services.size(); ++i) {
        services[i].name = "s" + std::to_string(i);
        for (std::size_t j = 0; j < i; ++j) {
            if (random() % 3 == 0) {
                services[i].depends_on.push_back("s" + std::to_string(j));
            }
        }
    }
    std::ranges::shuffle(services, random);
    return services;
}

std::map<std::string, Wanted> wanted_of(const Project& project) {
    std::map<std::string, Wanted> wanted;
    for (const Service& service : project.services) {
        wanted[service.name] = {.config_hash = "h", .image_id = "i"};
    }
    return wanted;
}

Existing container(const std::string& service, int number, const std::string& hash, bool running) {
    return {.id = service + std::to_string(number),
            .service = service,
            .number = number,
            .config_hash = hash,
            .image_id = "i",
            .running = running};
}

std::string text(const std::vector<Action>& actions) {
    std::string result;
    for (const Action& action : actions) {
        const char* kinds[] = {"create", "start", "keep", "remove"};
        result += std::string(kinds[static_cast<int>(action.kind)]) + " " + action.service +
                  std::to_string(action.number) + "; ";
    }
    return result;
}

}  // namespace

TEST_CASE("start_order: every service stands behind all it depends on", "[07][compose][plan]") {
    std::mt19937 random(20260131);
    for (int round = 0; round < 500; ++round) {
        const std::vector<Service> services = random_services(random);
        const std::vector<std::string> order = start_order(services);
        REQUIRE(order.size() == services.size());
        REQUIRE(std::set(order.begin(), order.end()).size() == services.size());
        CHECK(find_cycle(services).empty());
        for (const Service& service : services) {
            const auto place = std::ranges::find(order, service.name);
            for (const std::string& dependency : service.depends_on) {
                CHECK(std::ranges::find(order, dependency) < place);
            }
        }
    }
}

TEST_CASE("plan_down: goes through any graph in the reverse order of its start",
          "[07][compose][plan]") {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        const Project project{.name = "p", .services = random_services(random)};
        const std::vector<Action> up = plan_up(project, wanted_of(project), {});
        std::vector<Existing> existing;
        for (const Action& action : up) {
            REQUIRE(action.kind == Action::Kind::Create);
            existing.push_back(container(action.service, action.number, "h", true));
        }
        std::ranges::shuffle(existing, random);
        std::vector<std::string> down;
        for (const Action& action : plan_down(project, existing)) {
            down.push_back(action.service);
        }
        std::ranges::reverse(down);
        CHECK(down == start_order(project.services));
        const std::vector<Action> again = plan_up(project, wanted_of(project), existing);
        CHECK(std::ranges::all_of(again,
                                  [](const Action& a) { return a.kind == Action::Kind::Keep; }));
    }
}

TEST_CASE("find_cycle: names the circle, and nothing that only leads to it",
          "[07][compose][plan]") {
    const std::vector<Service> services = {{.name = "x", .depends_on = {"a"}},
                                           {.name = "a", .depends_on = {"b"}},
                                           {.name = "b", .depends_on = {"c"}},
                                           {.name = "c", .depends_on = {"a"}}};
    CHECK(find_cycle(services) == std::vector<std::string>{"a", "b", "c", "a"});
    CHECK(find_cycle({{.name = "a", .depends_on = {"a"}}}) == std::vector<std::string>{"a", "a"});
}

TEST_CASE("plan_up: what changed is removed first and made anew, what stopped is started",
          "[07][compose][plan]") {
    const Project project{
        .name = "p",
        .services = {
            {.name = "c", .depends_on = {"b"}}, {.name = "b", .depends_on = {"a"}}, {.name = "a"}}};
    CHECK(text(plan_up(project, wanted_of(project), {})) == "create a1; create b1; create c1; ");
    CHECK(text(plan_up(project, wanted_of(project),
                       {container("a", 1, "old", true), container("b", 1, "h", false),
                        container("c", 1, "h", true)})) ==
          "remove a1; create a1; start b1; keep c1; ");
    std::vector<Existing> other_image = {container("a", 1, "h", true)};
    other_image.front().image_id = "older";
    CHECK(text(plan_up(project, wanted_of(project), other_image)) ==
          "remove a1; create a1; create b1; create c1; ");
}

TEST_CASE("plan_up: surplus containers go, the highest number first", "[07][compose][plan]") {
    Project project{.name = "p", .services = {{.name = "a", .replicas = 2}}};
    CHECK(text(plan_up(project, wanted_of(project),
                       {container("a", 4, "h", true), container("a", 3, "h", true),
                        container("a", 1, "h", true)})) ==
          "remove a4; remove a3; keep a1; create a2; ");
}

TEST_CASE("plan_down: containers of services that the file lost go first", "[07][compose][plan]") {
    const Project project{.name = "p",
                          .services = {{.name = "a"}, {.name = "b", .depends_on = {"a"}}}};
    CHECK(text(plan_down(project, {container("a", 1, "h", true), container("gone", 1, "h", true),
                                   container("b", 1, "h", true)})) ==
          "remove gone1; remove b1; remove a1; ");
}
