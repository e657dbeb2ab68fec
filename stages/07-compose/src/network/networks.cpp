// The book of the networks: loading, creating, finding, removing. What containers have of them is
// in leases.cpp.
#include "07-compose/network/networks.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "02-namespaces/link.hpp"
#include "05-images/runtime_config.hpp"
#include "07-compose/engine/engine_error.hpp"
#include "07-compose/network/bridge.hpp"
#include "07-compose/network/etc_files.hpp"
#include "07-compose/network/names_process.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr const char* kForwardingMark = "forwarding-was-off";

bool is_on_path(const fs::path& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

/// Every data root has tables of its own, and its own default bridge.
std::string table_name(const fs::path& data_root) {
    return fmt::format("drydock-{:08x}",
                       std::hash<std::string>{}(data_root.native()) & 0xffffffffU);
}

}  // namespace

Networks::Networks(const NetworksOptions& options)
    : networks_directory_(options.data_root / "networks"),
      containers_directory_(options.data_root / "containers"),
      run_root_(options.run_root),
      is_default_(options.data_root == "/var/lib/drydock"),
      firewall_(is_default_ ? "drydock" : table_name(options.data_root)),
      ports_(options.bind),
      kernel_forwards_(options.use_nat),
      ports_elsewhere_(options.ports_elsewhere),
      names_(std::make_unique<NamesProcess>(options.run_root / "names.sock")) {
    fs::create_directories(networks_directory_);
    fs::create_directories(run_root_ / "netns");
    forwards_only_ours_ = is_default_ && is_on_path(run_root_ / kForwardingMark);
    load();
    make_predefined();
    reaper_ = std::thread([this] { run_reaper(); });
}

Networks::~Networks() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_reaper_.notify_all();
    reaper_.join();
    if (running_.empty()) {
        clean_host();
    }
}

void Networks::clean_host() noexcept {
    try {
        for (const auto& [id, network] : networks_) {
            if (network.driver == "bridge") {
                remove_bridge(here_, network);
            }
        }
        // Also when this daemon made none: one that was killed may have left them.
        firewall_.remove();
        if (is_on_path(run_root_ / kForwardingMark) && !others_forward()) {
            set_network_sysctl("ipv4/ip_forward", "0");
            fs::remove(run_root_ / kForwardingMark);
        }
    } catch (const std::exception& e) {
        fmt::print(stderr, "drydock-daemon: networks: {}\n", e.what());
    }
}

/// Whether another daemon's bridges are here: then forwarding is not ours alone to end.
bool Networks::others_forward() const {
    return std::ranges::any_of(link_names(here_), [&](const std::string& name) {
        return link_alias(here_, name).starts_with("drydock ");
    });
}

void Networks::load() {
    for (const auto& entry : fs::directory_iterator(networks_directory_)) {
        if (entry.path().extension() != ".json") {
            continue;
        }
        try {
            Network network = network_from_json(read_file(entry.path()), entry.path().native());
            networks_[network.id] = std::move(network);
        } catch (const std::exception& e) {
            fmt::print(stderr, "drydock-daemon: left alone: {}\n", e.what());
        }
    }
}

void Networks::make_predefined() {
    for (const auto& [name, driver] :
         {std::pair(kBridgeNetwork, "bridge"), {kHostNetwork, "host"}, {kNoNetwork, "null"}}) {
        const auto there = std::ranges::any_of(
            networks_, [&, &wanted = name](const auto& one) { return one.second.name == wanted; });
        if (there) {
            continue;
        }
        Network network{.id = new_container_id(),
                        .name = std::string(name),
                        .driver = driver,
                        .created = now()};
        if (network.driver == "bridge") {
            network.pools.push_back(make_pool({}, taken_subnets()));
            network.options = {{"com.docker.network.bridge.default_bridge", "true"},
                               {"com.docker.network.bridge.enable_icc", "true"},
                               {"com.docker.network.bridge.enable_ip_masquerade", "true"},
                               {"com.docker.network.bridge.host_binding_ipv4", "0.0.0.0"},
                               {"com.docker.network.bridge.name",
                                is_default_ ? "drydock0" : "br-" + network.id.substr(0, 12)},
                               {"com.docker.network.driver.mtu", "1500"}};
        }
        save(network);
        networks_[network.id] = std::move(network);
    }
}

void Networks::save(const Network& network) const {
    const UniqueFd directory = open_file(networks_directory_, O_DIRECTORY | O_RDONLY);
    replace_file(directory.get(), network.id + ".json", to_json(network));
}

std::vector<Subnet> Networks::taken_subnets() const {
    std::vector<Subnet> taken = routed_subnets(RouteSocket());
    for (const auto& [id, network] : networks_) {
        for (const AddressPool& pool : network.pools) {
            taken.push_back(pool.subnet);
        }
    }
    return taken;
}

Network Networks::create(const NetworkRequest& request) {
    check_network_name(request.name);
    const std::string driver =
        request.driver.empty() || request.driver == "default" ? "bridge" : request.driver;
    if (driver == "host" || driver == "null") {
        throw EngineError(Refusal::Forbidden,
                          fmt::format("only one instance of \"{}\" network is allowed", driver));
    }
    if (driver != "bridge") {
        throw EngineError(
            Refusal::NotFound,
            fmt::format("plugin \"{}\" not found: networks have the driver bridge", driver));
    }
    Network network{.id = new_container_id(),
                    .name = request.name,
                    .driver = driver,
                    .created = now(),
                    .internal = request.internal,
                    .attachable = request.attachable,
                    .ipv6 = request.ipv6,
                    .ipam_options = request.ipam_options,
                    .options = request.options,
                    .labels = request.labels};
    const BridgeOptions options = bridge_options(network);
    const std::lock_guard lock(mutex_);
    for (const auto& [id, other] : networks_) {
        if (other.name == network.name) {
            throw EngineError(Refusal::Conflict,
                              fmt::format("network with name {} already exists", network.name));
        }
        if (other.driver == "bridge" && bridge_options(other).name == options.name) {
            throw EngineError(Refusal::Conflict, fmt::format("network {} has the bridge {} already",
                                                             other.name, options.name));
        }
    }
    std::vector<Subnet> taken = taken_subnets();
    for (const PoolRequest& pool : request.pools) {
        network.pools.push_back(make_pool(pool, taken));
        taken.push_back(network.pools.back().subnet);
    }
    if (pool_of(network, AF_INET) == nullptr) {
        network.pools.insert(network.pools.begin(), make_pool({}, taken));
    }
    if (network.ipv6 && pool_of(network, AF_INET6) == nullptr) {
        network.pools.push_back(
            make_pool({.subnet = to_text(private_ipv6_subnet(network.id))}, taken));
    }
    network.ipv6 = pool_of(network, AF_INET6) != nullptr;
    save(network);
    networks_[network.id] = network;
    return network;
}

void Networks::remove(std::string_view name) {
    const std::scoped_lock lock(here_mutex_, mutex_);
    const Network network = found(name);
    if (is_predefined(network.name)) {
        throw EngineError(
            Refusal::Forbidden,
            fmt::format("{} is a pre-defined network and cannot be removed", network.name));
    }
    for (const auto& [id, running] : running_) {
        for (const Endpoint& endpoint : running.lease.endpoints) {
            if (endpoint.network_id == network.id) {
                throw EngineError(
                    Refusal::Forbidden,
                    fmt::format(
                        "error while removing network: network {} id {} has active endpoints",
                        network.name, network.id));
            }
        }
    }
    remove_bridge(here_, network);
    check(::unlink((networks_directory_ / (network.id + ".json")).c_str()), "unlink({})",
          network.id);
    networks_.erase(network.id);
    leases_.erase(network.id);
    if (std::ranges::none_of(networks_,
                             [](const auto& one) { return has_names(one.second.name); })) {
        names_->let_go();
    }
}

const Network& Networks::found(std::string_view name) const {
    if (const auto exact = networks_.find(std::string(name)); exact != networks_.end()) {
        return exact->second;
    }
    const Network* match = nullptr;
    for (const auto& [id, network] : networks_) {
        if (network.name == name) {
            return network;
        }
        if (!name.empty() && id.starts_with(name)) {
            if (match != nullptr) {
                throw EngineError(
                    Refusal::BadRequest,
                    fmt::format("network {} is ambiguous (2 matches found on ID prefix)", name));
            }
            match = &network;
        }
    }
    if (match == nullptr) {
        throw EngineError(Refusal::NotFound, fmt::format("network {} not found", name));
    }
    return *match;
}

Network Networks::find(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    return found(name);
}

std::vector<Network> Networks::list() const {
    std::vector<Network> all;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, network] : networks_) {
            all.push_back(network);
        }
    }
    std::ranges::sort(all, {}, &Network::name);
    return all;
}

std::vector<NetworkMember> Networks::members(const std::string& network_id) const {
    const std::lock_guard lock(mutex_);
    std::vector<NetworkMember> members;
    for (const auto& [id, running] : running_) {
        for (const Endpoint& endpoint : running.lease.endpoints) {
            if (endpoint.network_id == network_id) {
                members.push_back({id, running.name, endpoint});
            }
        }
    }
    return members;
}

std::vector<std::string> Networks::warnings() const {
    const std::lock_guard lock(mutex_);
    return warnings_;
}

void Networks::warn(const std::string& text) {
    {
        const std::lock_guard lock(mutex_);
        if (std::ranges::find(warnings_, text) != warnings_.end()) {
            return;
        }
        warnings_.push_back(text);
    }
    fmt::print(stderr, "drydock-daemon: {}\n", text);
}

void Networks::allow_forwarding() {
    if (!set_network_sysctl("ipv4/ip_forward", "1")) {
        return;
    }
    open_file(run_root_ / kForwardingMark, O_WRONLY | O_CREAT, 0600).close();
    {
        const std::lock_guard lock(mutex_);
        forwards_only_ours_ = is_default_;
    }
    fmt::print(
        stderr,
        "drydock-daemon: set net.ipv4.ip_forward to 1, so that containers reach the outside{}\n",
        is_default_ ? "; packets that are neither from nor for a container are dropped as before"
                    : "");
}

void Networks::check_pools_are_free(Network& network) {
    const RouteSocket socket;
    if (has_bridge(socket, network)) {
        return;
    }
    const std::vector<Subnet> routed = routed_subnets(socket);
    for (AddressPool& pool : network.pools) {
        const auto other = std::ranges::find_if(
            routed, [&](const Subnet& one) { return overlap(one, pool.subnet); });
        if (other == routed.end()) {
            continue;
        }
        if (network.name != kBridgeNetwork) {
            throw EngineError(Refusal::Forbidden,
                              fmt::format("network {}: its subnet {} overlaps {}, which the host "
                                          "has a route to by now; remove it and make it anew",
                                          network.name, to_text(pool.subnet), to_text(*other)));
        }
        pool = make_pool({}, taken_subnets());
        save(network);
    }
}

void Networks::ensure_bridge(const Network& network) {
    const std::lock_guard lock(here_mutex_);
    try {
        if (make_bridge(here_, network) && !network.internal) {
            allow_forwarding();
            if (pool_of(network, AF_INET6) != nullptr) {
                set_network_sysctl("ipv6/conf/all/forwarding", "1");
            }
        }
    } catch (const std::system_error& e) {
        throw SetupError(fmt::format("network {}: {}; containers without a network of the host run "
                                     "with --network none or host",
                                     network.name, e.what()),
                         e.code(), 125);
    }
}

}  // namespace drydock
