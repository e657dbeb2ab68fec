#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "02-namespaces/ip_address.hpp"
#include "02-namespaces/link.hpp"

namespace drydock {

/// A bridge that containers hang on.
struct FirewalledNetwork {
    std::string bridge{};
    std::optional<Subnet> ipv4{};
    std::optional<Subnet> ipv6{};
    bool internal = false;    ///< nothing leaves it, nothing enters
    bool masquerade = false;  ///< what leaves it has the host's address
};

/// What arrives at the host for `host_port` goes to a container.
struct Forwarding {
    std::string protocol{};
    IpAddress host_address{};  ///< all zeros: any of the host's
    int host_port = 0;
    IpAddress container_address{};
    int container_port = 0;
};

/// A port of a bridge, and who may speak there: nobody else's addresses (ARP, IP) are let in, and
/// no router advertisements.
struct PinnedLink {
    std::string link{};
    MacAddress mac{};
    IpAddress ipv4{};  ///< none when it has none
    IpAddress ipv6{};
};

struct FirewallRules {
    std::vector<FirewalledNetwork> networks{};
    std::vector<Forwarding> forwardings{};
    std::vector<PinnedLink> links{};
    /// The host forwards packets only since we asked it to: what is neither from nor for a
    /// container is dropped, as if it did not.
    bool forwards_only_ours = false;
    bool nat = true;  ///< false: no chain of type nat, for kernels that have none
};

/// The tables `inet TABLE` and `bridge TABLE`, replaced whole: a text for nft(8).
std::string ruleset(const std::string& table, const FirewallRules& rules);
/// A text that takes both away.
std::string no_ruleset(const std::string& table);

/// Drydock's own tables in this host's nftables. Nobody else's rules are ever read or written. For
/// any number of threads.
class Firewall {
  public:
    /// @param table the name of its tables
    explicit Firewall(std::string table);
    ~Firewall();
    Firewall(const Firewall&) = delete;
    Firewall& operator=(const Firewall&) = delete;
    Firewall(Firewall&&) = delete;
    Firewall& operator=(Firewall&&) = delete;

    /// Returns when the rules that `current` gives, then or later, are in force; calls that come
    /// while one is under way share the next.
    /// @throws std::runtime_error with nft's own words
    void apply(const std::function<FirewallRules()>& current);
    /// Takes both tables away, best effort.
    void remove() noexcept;

  private:
    struct Context;
    void run(const std::string& commands);

    std::string table_;
    std::unique_ptr<Context> context_;
    std::mutex mutex_{};
    std::condition_variable applied_{};
    std::uint64_t asked_ = 0;  ///< how many applications have been asked for
    std::uint64_t done_ = 0;   ///< … and are in force
    bool busy_ = false;
};

}  // namespace drydock
