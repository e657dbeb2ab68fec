#include "07-compose/compose/plan.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace drydock::compose {
namespace {

/// Depth first: a service is put into the order when all it depends on is in it.
class Ordering {
  public:
    explicit Ordering(const std::vector<Service>& services) : services_(services) {}

    void visit(const std::string& name) {
        if (done_.contains(name) || !cycle_.empty()) {
            return;
        }
        path_.push_back(name);
        if (std::ranges::count(path_, name) > 1) {
            cycle_.assign(std::ranges::find(path_, name), path_.end());
            return;
        }
        const auto found = std::ranges::find(services_, name, &Service::name);
        if (found != services_.end()) {
            std::ranges::for_each(found->depends_on,
                                  [this](const std::string& other) { visit(other); });
        }
        path_.pop_back();
        done_.insert(name);
        order_.push_back(name);
    }

    [[nodiscard]] const std::vector<std::string>& order() const noexcept { return order_; }
    [[nodiscard]] const std::vector<std::string>& cycle() const noexcept { return cycle_; }

  private:
    const std::vector<Service>& services_;
    std::vector<std::string> path_{};
    std::set<std::string> done_{};
    std::vector<std::string> order_{};
    std::vector<std::string> cycle_{};
};

Ordering ordering_of(const std::vector<Service>& services) {
    Ordering ordering(services);
    for (const Service& service : services) {
        ordering.visit(service.name);
    }
    return ordering;
}

Action remove(const Existing& container) {
    return {.kind = Action::Kind::Remove,
            .service = container.service,
            .number = container.number,
            .id = container.id};
}

bool is_as_wanted(const Existing& container, const Wanted& wanted) {
    return container.config_hash == wanted.config_hash &&
           (wanted.image_id.empty() || container.image_id == wanted.image_id);
}

/// Where a service stands in the order; those that the file does not have stand behind all others.
std::size_t rank(const std::vector<std::string>& order, const std::string& service) {
    return static_cast<std::size_t>(std::ranges::find(order, service) - order.begin());
}

void sort_for_removal(std::vector<Action>& actions, const std::vector<std::string>& order) {
    std::ranges::stable_sort(actions, [&](const Action& a, const Action& b) {
        return std::pair(rank(order, a.service), a.number) >
               std::pair(rank(order, b.service), b.number);
    });
}

}  // namespace

std::vector<std::string> find_cycle(const std::vector<Service>& services) {
    return ordering_of(services).cycle();
}

std::vector<std::string> start_order(const std::vector<Service>& services) {
    return ordering_of(services).order();
}

std::vector<std::string> joined_services(const Service& service) {
    constexpr std::string_view kService = "service:";
    const cli::IsolationSpec& isolation = service.container.isolation;
    std::vector<std::string> names;
    for (const std::string* mode : {&service.container.network, &isolation.pid, &isolation.ipc}) {
        if (mode->starts_with(kService)) {
            names.push_back(mode->substr(kService.size()));
        }
    }
    return names;
}

std::vector<Action> plan_up(const Project& project, const std::map<std::string, Wanted>& wanted,
                            const std::vector<Existing>& existing) {
    const std::vector<std::string> order = start_order(project.services);
    std::vector<Action> removals;
    std::vector<Action> rest;
    std::set<std::string> renewed;
    for (const std::string& name : order) {
        const Service& service = project.service(name);
        const bool donor_is_new =
            std::ranges::any_of(joined_services(service),
                                [&](const std::string& donor) { return renewed.contains(donor); });
        for (int number = 1; number <= service.replicas; ++number) {
            Action action{.kind = Action::Kind::Create, .service = name, .number = number};
            for (const Existing& container : existing) {
                const bool is_this = container.service == name && container.number == number;
                if (is_this && !donor_is_new && is_as_wanted(container, wanted.at(name))) {
                    action.kind = container.running ? Action::Kind::Keep : Action::Kind::Start;
                    action.id = container.id;
                } else if (is_this) {
                    removals.push_back(remove(container));
                }
            }
            if (action.kind == Action::Kind::Create) {
                renewed.insert(name);
            }
            rest.push_back(std::move(action));
        }
        for (const Existing& container : existing) {
            if (container.service == name && container.number > service.replicas) {
                removals.push_back(remove(container));
            }
        }
    }
    sort_for_removal(removals, order);
    removals.insert(removals.end(), rest.begin(), rest.end());
    return removals;
}

std::vector<Action> plan_down(const Project& project, const std::vector<Existing>& existing) {
    std::vector<Action> actions;
    std::ranges::transform(existing, std::back_inserter(actions), remove);
    sort_for_removal(actions, start_order(project.services));
    return actions;
}

}  // namespace drydock::compose
