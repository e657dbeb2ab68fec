#include "07-compose/network/firewall.hpp"

#include <nftables/libnftables.h>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

// Names of links come from the user: is_link_name() lets no quote through.
std::string quoted(const std::string& name) {
    return '"' + name + '"';
}

/// "    set NAME { TYPE; elements = { … } }"; a set without elements must not mention them.
std::string set_text(std::string_view declaration, const std::vector<std::string>& elements) {
    std::string text = fmt::format("    {} ", declaration);
    if (!elements.empty()) {
        text += "elements = { ";
        for (const std::string& element : elements) {
            text += element + ", ";
        }
        text += "}; ";
    }
    return text + "}\n";
}

bool is_any(const IpAddress& address) {
    return address == IpAddress{.family = address.family};
}

/// The elements of one of the four maps of published ports.
std::vector<std::string> forwarding_elements(const FirewallRules& rules, int family, bool any) {
    std::vector<std::string> elements;
    for (const Forwarding& one : rules.forwardings) {
        if (one.host_address.family == family && is_any(one.host_address) == any) {
            elements.push_back(fmt::format("{} . {}{} : {} . {}", one.protocol,
                                           any ? std::string() : to_text(one.host_address) + " . ",
                                           one.host_port, to_text(one.container_address),
                                           one.container_port));
        }
    }
    return elements;
}

std::string maps_text(const FirewallRules& rules) {
    return set_text(
               "map at4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service;",
               forwarding_elements(rules, AF_INET, false)) +
           set_text("map anywhere4 { type inet_proto . inet_service : ipv4_addr . inet_service;",
                    forwarding_elements(rules, AF_INET, true)) +
           set_text(
               "map at6 { type inet_proto . ipv6_addr . inet_service : ipv6_addr . inet_service;",
               forwarding_elements(rules, AF_INET6, false)) +
           set_text("map anywhere6 { type inet_proto . inet_service : ipv6_addr . inet_service;",
                    forwarding_elements(rules, AF_INET6, true));
}

std::string sets_text(const FirewallRules& rules) {
    std::vector<std::string> bridges;
    std::vector<std::string> internal;
    std::vector<std::string> same;
    for (const FirewalledNetwork& network : rules.networks) {
        const std::string bridge = quoted(network.bridge);
        bridges.push_back(bridge);
        same.push_back(bridge + " . " + bridge);
        if (network.internal) {
            internal.push_back(bridge);
        }
    }
    return set_text("set bridges { type ifname;", bridges) +
           set_text("set internal { type ifname;", internal) +
           set_text("set same { type ifname . ifname;", same);
}

/// What leaves a network gets the host's address, and so does what comes back to its own network by
/// way of a published port: the answer must come back the same way.
std::string leaving_rules(const FirewallRules& rules) {
    std::string text;
    for (const FirewalledNetwork& network : rules.networks) {
        for (const auto& subnet : {network.ipv4, network.ipv6}) {
            if (!subnet) {
                continue;
            }
            const char* family = subnet->address.is_v6() ? "ip6" : "ip";
            const std::string range = to_text(Subnet{first_address(*subnet), subnet->prefix});
            text += fmt::format("        {0} saddr {1} {0} daddr {1} ct status dnat masquerade\n",
                                family, range);
            if (network.masquerade && !network.internal) {
                text += fmt::format("        {} saddr {} oifname != {} counter masquerade\n",
                                    family, range, quoted(network.bridge));
            }
        }
    }
    return text;
}

constexpr const char* kPublished = R"(
    chain published {
        dnat ip to meta l4proto . ip daddr . th dport map @at4
        dnat ip to meta l4proto . th dport map @anywhere4
        # What comes from ::1 never leaves the loopback interface: a proxy listens there.
        ip6 daddr ::1 return
        dnat ip6 to meta l4proto . ip6 daddr . th dport map @at6
        dnat ip6 to meta l4proto . th dport map @anywhere6
    }
    chain arriving {
        type nat hook prerouting priority -100; policy accept;
        fib daddr type local counter jump published
    }
    chain from-host {
        type nat hook output priority -100; policy accept;
        fib daddr type local counter jump published
    }
)";

constexpr const char* kGuard = R"(
    # route_localnet lets 127.0.0.1 of the host reach containers; it must not let others reach 127.0.0.1.
    chain guard-loopback {
        type filter hook prerouting priority -300; policy accept;
        iif != "lo" ip daddr 127.0.0.0/8 counter drop
    }
)";

constexpr const char* kForward = R"(    chain forward {
        type filter hook forward priority 0; policy accept;
        iifname . oifname @same accept
        iifname @internal counter drop
        oifname @internal counter drop
        oifname @bridges ct state established,related counter accept
        oifname @bridges ct status dnat counter accept
        oifname @bridges counter drop
        iifname @bridges counter accept
)";

std::string pins_text(const std::vector<PinnedLink>& links) {
    std::vector<std::string> names;
    std::vector<std::string> macs;
    std::vector<std::string> v4;
    std::vector<std::string> v6;
    for (const PinnedLink& one : links) {
        const std::string link = quoted(one.link);
        names.push_back(link);
        macs.push_back(fmt::format("{} . {}", link, to_text(one.mac)));
        if (one.ipv4) {
            v4.push_back(fmt::format("{} . {}", link, to_text(one.ipv4)));
        }
        if (one.ipv6) {
            v6.push_back(fmt::format("{} . {}", link, to_text(one.ipv6)));
        }
    }
    return set_text("set links { type ifname;", names) +
           set_text("set macs { type ifname . ether_addr;", macs) +
           set_text("set v4 { type ifname . ipv4_addr;", v4) +
           set_text("set v6 { type ifname . ipv6_addr;", v6);
}

// DHCP clients speak as 0.0.0.0, and IPv6 stacks as :: and fe80::/10 before and beside their
// address.
constexpr const char* kPins = R"(    chain in {
        type filter hook prerouting priority -200; policy accept;
        iifname @links jump pinned
    }
    chain pinned {
        iifname . ether saddr != @macs counter drop
        iifname . arp saddr ip != @v4 counter drop
        ip saddr 0.0.0.0 udp dport 67 return
        iifname . ip saddr != @v4 counter drop
        icmpv6 type { nd-router-advert, nd-redirect } counter drop
        icmpv6 type nd-neighbor-advert jump neighbours
        ip6 saddr { ::, fe80::/10 } return
        iifname . ip6 saddr != @v6 counter drop
    }
)";

/// Who says in IPv6 where an address is (RFC 4861, 4.4: the target stands behind eight bytes of the
/// ICMP header) may say so of its own and of link-local ones. nft 1.0.6 has no name for that field,
/// and no sets of what it has no name for.
std::string neighbours_text(const std::vector<PinnedLink>& links) {
    std::string text = "    chain neighbours {\n        @th,64,10 0x3fa return\n";
    for (const PinnedLink& one : links) {
        if (one.ipv6) {
            text += fmt::format("        iifname {} @th,64,128 0x{:02x} return\n", quoted(one.link),
                                fmt::join(one.ipv6.data(), ""));
        }
    }
    return text + "        counter drop\n    }\n";
}

}  // namespace

struct Firewall::Context {
    nft_ctx* handle = nullptr;
};

std::string no_ruleset(const std::string& table) {
    // To delete what is not there is an error; to add what is there is none.
    return fmt::format(
        "add table inet {0}\ndelete table inet {0}\nadd table bridge {0}\ndelete table bridge "
        "{0}\n",
        table);
}

std::string ruleset(const std::string& table, const FirewallRules& rules) {
    std::string text = no_ruleset(table);
    text += "table inet " + table + " {\n" + sets_text(rules) +
            (rules.nat ? maps_text(rules) + kPublished : "") + kGuard + kForward;
    if (rules.forwards_only_ours) {
        text += "        counter drop\n";
    }
    text += "    }\n";
    if (rules.nat) {
        text +=
            "    chain leaving {\n        type nat hook postrouting priority 100; policy "
            "accept;\n" +
            leaving_rules(rules) +
            "        ip saddr 127.0.0.0/8 oifname @bridges masquerade\n    }\n";
    }
    text += "}\n";
    text += "table bridge " + table + " {\n" + pins_text(rules.links) +
            neighbours_text(rules.links) + kPins + "}\n";
    return text;
}

Firewall::Firewall(std::string table)
    : table_(std::move(table)), context_(std::make_unique<Context>()) {}

Firewall::~Firewall() {
    if (context_->handle != nullptr) {
        ::nft_ctx_free(context_->handle);
    }
}

void Firewall::run(const std::string& commands) {
    if (context_->handle == nullptr) {
        context_->handle = ::nft_ctx_new(NFT_CTX_DEFAULT);
        if (context_->handle == nullptr) {
            throw std::runtime_error("nft_ctx_new(): no memory, or no netlink");
        }
        ::nft_ctx_buffer_output(context_->handle);
        ::nft_ctx_buffer_error(context_->handle);
    }
    if (::nft_run_cmd_from_buffer(context_->handle, commands.c_str()) != 0) {
        std::string why = ::nft_ctx_get_error_buffer(context_->handle);
        why = why.substr(0, why.find('\n'));
        throw std::runtime_error(fmt::format("nftables: {}", why));
    }
}

void Firewall::apply(const std::function<FirewallRules()>& current) {
    std::unique_lock lock(mutex_);
    const std::uint64_t mine = ++asked_;
    while (done_ < mine) {
        if (busy_) {
            applied_.wait(lock);
            continue;
        }
        // Whatever has been asked for up to here is in what `current` gives below.
        const std::uint64_t up_to = asked_;
        busy_ = true;
        lock.unlock();
        std::exception_ptr failure;
        try {
            run(ruleset(table_, current()));
        } catch (...) {
            failure = std::current_exception();
        }
        lock.lock();
        busy_ = false;
        if (failure) {
            applied_.notify_all();
            std::rethrow_exception(failure);
        }
        done_ = std::max(done_, up_to);
        applied_.notify_all();
    }
}

void Firewall::remove() noexcept {
    try {
        const std::lock_guard lock(mutex_);
        run(no_ruleset(table_));
    } catch (const std::exception&) {
        return;  // no nftables here: then there are no tables of ours
    }
}

}  // namespace drydock
