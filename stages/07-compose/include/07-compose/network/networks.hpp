#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "01-chroot/unique_fd.hpp"
#include "02-namespaces/netlink.hpp"
#include "07-compose/engine/container.hpp"
#include "07-compose/network/address_pools.hpp"
#include "07-compose/network/endpoint.hpp"
#include "07-compose/network/firewall.hpp"
#include "07-compose/network/host_ports.hpp"
#include "07-compose/network/network.hpp"
#include "07-compose/network/proxied_ports.hpp"

namespace drydock {

class NamesProcess;

struct NetworksOptions {
    std::filesystem::path data_root{};
    std::filesystem::path run_root{};
    /// Whether the kernel's NAT is asked to forward ports and hide addresses; where it cannot, this
    /// is found out.
    bool use_nat = true;
    /// Published ports are in another network namespace than the bridges: proxies serve all of
    /// them.
    bool ports_elsewhere = false;
    BindPort bind = bind_here;  ///< how ports are taken
};

/// What a client says about a new network.
struct NetworkRequest {
    std::string name{};
    std::string driver{};  ///< "", "default": bridge
    bool internal = false;
    bool attachable = false;
    bool ipv6 = false;
    std::vector<PoolRequest> pools{};
    std::map<std::string, std::string> ipam_options{};
    std::map<std::string, std::string> options{};
    std::map<std::string, std::string> labels{};
};

/// A running container's place in a network, seen from the network.
struct NetworkMember {
    std::string container_id{};
    std::string container_name{};
    Endpoint endpoint{};
};

/// The networks of one data root, and what running containers have of them: links, addresses,
/// published ports. For any number of threads.
///
/// A bridge is there while containers hang on it, and longer while this object lives; nothing is
/// left on the host when it goes and no container runs. Containers that run on keep all they have,
/// and the next object takes it up.
///
/// `name` is an ID, a name or the beginning of exactly one ID, in this order; EngineError NotFound
/// "network x not found".
class Networks {
  public:
    /// Loads the networks, and makes `bridge`, `host` and `none` if they are not there.
    explicit Networks(const NetworksOptions& options);
    ~Networks();
    Networks(const Networks&) = delete;
    Networks& operator=(const Networks&) = delete;
    Networks(Networks&&) = delete;
    Networks& operator=(Networks&&) = delete;

    /// @throws InputError; EngineError Conflict when there is one with that name, Forbidden
    Network create(const NetworkRequest& request);
    /// @throws EngineError Forbidden while running containers are in it, and for the predefined
    /// ones
    void remove(std::string_view name);
    [[nodiscard]] Network find(std::string_view name) const;
    /// By name.
    [[nodiscard]] std::vector<Network> list() const;
    [[nodiscard]] std::vector<NetworkMember> members(const std::string& network_id) const;

    /// What a running container has; nothing for others.
    [[nodiscard]] std::optional<NetworkLease> lease_of(const std::string& container_id) const;
    /// Which of its published ports a proxy serves.
    [[nodiscard]] std::vector<ProxiedBinding> proxied_of(const std::string& container_id) const;
    /// Where the network namespace of a container that starts is found.
    [[nodiscard]] std::filesystem::path network_path(const std::string& container_id) const;

    /// Everything a container's settings ask for that can be judged before it starts.
    /// @throws InputError, EngineError
    void check_settings(const ContainerConfig& config) const;
    /// The container's network is ready at network_path(), until started() or stop().
    /// @param joined_pid a process in the network namespace to be joined ("container:x"); else 0
    /// @throws EngineError, SetupError, std::system_error; nothing is held then
    void start(const Container& container, int joined_pid);
    /// The container runs, and keeps its network alive by itself.
    /// @param pidfd of that process
    void started(const std::string& container_id, int pid, int pidfd);
    /// Others in its networks call it by its new name from now on.
    void renamed(const std::string& container_id, const std::string& old_name,
                 const std::string& new_name);
    /// It does not run (any more): its ports are free at once, its links and addresses soon.
    void stop(const std::string& container_id);
    /// A container that an earlier daemon started runs: it keeps what its network.json says, and is
    /// answered when it asks for names.
    void adopt(const Container& container);
    /// To be called once every running container has been adopted: puts the rules in force again.
    void reassert();

    /// A running container has an endpoint more, or less.
    /// @param pid a process of it
    void connect(const Container& container, const std::string& network, int pid);
    void disconnect(const Container& container, const std::string& network, int pid);

    /// What this host cannot do, said once when it was found out; for `info`.
    [[nodiscard]] std::vector<std::string> warnings() const;

  private:
    struct Running {
        std::string name{};
        NetworkLease lease{};
        UniqueFd network_namespace{};           ///< until the container itself keeps it
        std::vector<IpAddress> name_servers{};  ///< of --dns; empty: the host's
        std::vector<ProxiedBinding> proxied{};  ///< what its proxy serves
        UniqueFd proxy_control{};               ///< until the container runs
        int pid = 0;                            ///< of the container, once it runs
        bool named = false;                     ///< drydock-names knows it
    };
    struct Retired {
        Endpoint endpoint{};
        bool published = false;  ///< the firewall still sends packets there
    };

    [[nodiscard]] const Network& found(std::string_view name) const;
    [[nodiscard]] bool others_forward() const;
    void load();
    void make_predefined();
    void save(const Network& network) const;
    [[nodiscard]] std::vector<Subnet> taken_subnets() const;
    void save_lease(const std::string& container_id) const;

    Endpoint take_endpoint(const Container& container, const Network& network,
                           const EndpointSettings& settings, std::size_t number);
    void lease_all(const Container& container);
    void adopt_lease(const Container& container);
    void release(const Endpoint& endpoint);
    void wire(const Container& container, int network_namespace);
    void ensure_bridge(const Network& network);
    void check_pools_are_free(Network& network);
    void allow_forwarding();
    void apply_rules();
    /// Its ports that need a proxy are served by one, which ends when tie_proxy() does not follow.
    void start_proxy_of(const std::string& container_id);
    void tie_proxy(const std::string& container_id, int pidfd);
    /// Another proxy in the place of one that has ended, or whose targets have changed.
    void renew_proxy(const std::string& container_id, int pidfd);
    void renew_proxies();
    [[nodiscard]] FirewallRules rules() const;
    void link_network_path(const std::string& container_id, const std::string& target) const;
    void run_reaper();
    /// It is answered in that network namespace (-1: as before) with what its lease says now.
    void serve_names(const std::string& container_id, int network_namespace);
    void names_live(const std::string& container_id, int pidfd);
    void tell_all_names(const std::string& but);
    void drop_names(const std::string& container_id) noexcept;
    void warn(const std::string& text);
    void clean_host() noexcept;

    std::filesystem::path networks_directory_;
    std::filesystem::path containers_directory_;
    std::filesystem::path run_root_;
    RouteSocket here_{};
    std::mutex here_mutex_{};  ///< one request at a time on that socket, and one maker of bridges
    bool is_default_;          ///< the data root is the one that there is one of on a host
    Firewall firewall_;

    mutable std::mutex mutex_{};  ///< guards all below; taken after here_mutex_, never before
    std::map<std::string, Network> networks_{};            ///< by ID
    std::map<std::string, Running> running_{};             ///< by container
    std::map<std::string, std::set<IpAddress>> leases_{};  ///< by network
    HostPorts ports_;
    std::vector<std::string> warnings_{};
    bool forwards_only_ours_ = false;
    bool rules_applied_ = false;
    bool kernel_forwards_ = true;  ///< published ports, by NAT
    bool ports_elsewhere_ = false;

    std::deque<Retired> retired_{};  ///< endpoints whose links have to go
    bool ending_ = false;
    std::condition_variable wake_reaper_{};
    std::thread reaper_{};
    std::unique_ptr<NamesProcess> names_;
};

/// The endpoints over which the default routes lead: the first by the network's name that has a
/// gateway.
const Endpoint* default_endpoint(const NetworkLease& lease, int family);

}  // namespace drydock
