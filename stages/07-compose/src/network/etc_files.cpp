#include "07-compose/network/etc_files.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/network/network.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr std::array kEtcFiles = {"hosts", "hostname", "resolv.conf"};

void write_in_place(const fs::path& path, const std::string& text) {
    const UniqueFd file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    write_all(file.get(), text, path.native());
}

std::string host_file(const char* path) {
    try {
        return read_file(path);
    } catch (const std::system_error&) {
        return {};  // a host without one
    }
}

bool is_loopback(const std::string& server) {
    return server.starts_with("127.") || server == "::1";
}

bool names_in(const NetworkLease& lease) {
    return std::ranges::any_of(
        lease.endpoints, [](const Endpoint& endpoint) { return has_names(endpoint.network_name); });
}

/// The two halves of "name:address", which docker also takes as "name=address".
std::pair<std::string, std::string> split_host(const std::string& text) {
    const auto at = text.find_first_of(":=");
    return at == std::string::npos ? std::pair(std::string(), std::string())
                                   : std::pair(text.substr(0, at), text.substr(at + 1));
}

}  // namespace

bool has_names(const std::string& network_name) {
    return !is_predefined(network_name);
}

std::vector<oci::Mount> etc_mounts(const fs::path& directory, const std::string& mode) {
    std::vector<oci::Mount> mounts;
    if (mode == "none") {
        return mounts;
    }
    for (const char* name : kEtcFiles) {
        mounts.push_back({.destination = std::string("/etc/") + name,
                          .type = "bind",
                          .source = directory / name,
                          .options = {"rbind", "rprivate"}});
    }
    return mounts;
}

void make_etc_files(const fs::path& directory) {
    for (const char* name : kEtcFiles) {
        write_in_place(directory / name, "");
    }
}

void check_etc_settings(const NetworkSettings& settings) {
    for (const std::string& text : settings.extra_hosts) {
        const auto [name, address] = split_host(text);
        if (name.empty() || (address != "host-gateway" && !parse_ip_address(address))) {
            throw InputError(
                fmt::format("invalid IP address in add-host: \"{}\": expected NAME:ADDRESS", text));
        }
        if (name.find_first_of(" \t\n") != std::string::npos) {
            throw InputError(fmt::format("invalid name in add-host: \"{}\"", name));
        }
    }
    for (const std::string& server : settings.dns) {
        if (!parse_ip_address(server)) {
            throw InputError(fmt::format("{} is not an ip address", server));
        }
    }
    for (const auto& words : {settings.dns_search, settings.dns_options}) {
        for (const std::string& word : words) {
            if (word.empty() || word.find_first_of(" \t\n") != std::string::npos) {
                throw InputError(
                    fmt::format("invalid word \"{}\" for resolv.conf: expected no spaces", word));
            }
        }
    }
}

std::string hosts_text(const Container& container, const NetworkLease& lease,
                       const IpAddress& host_gateway) {
    std::string text =
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "ff00::0\tip6-mcastprefix\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n";
    for (const std::string& extra : container.config.network.extra_hosts) {
        const auto [name, address] = split_host(extra);
        text += fmt::format("{}\t{}\n", address == "host-gateway" ? to_text(host_gateway) : address,
                            name);
    }
    const std::string& hostname = container.config.hostname;
    const std::string& domain = container.config.network.domainname;
    for (const Endpoint& endpoint : lease.endpoints) {
        for (const auto& address : {endpoint.ipv4, endpoint.ipv6}) {
            if (address) {
                text += fmt::format("{}\t{}{}\n", to_text(address->address),
                                    domain.empty() ? "" : hostname + "." + domain + " ", hostname);
            }
        }
    }
    return text;
}

ResolverSettings parse_resolv_conf(std::string_view text) {
    ResolverSettings settings;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string key;
        words >> key;
        std::vector<std::string> values;
        for (std::string word; words >> word && word.front() != '#' && word.front() != ';';) {
            values.push_back(word);
        }
        if (key == "nameserver" && !values.empty()) {
            settings.servers.push_back(values.front());
        } else if (key == "search" || key == "domain") {
            settings.search = values;
        } else if (key == "options") {
            settings.options.insert(settings.options.end(), values.begin(), values.end());
        }
    }
    return settings;
}

std::string resolv_text(const Container& container, const NetworkLease& lease,
                        std::string_view of_host) {
    const NetworkSettings& wanted = container.config.network;
    ResolverSettings settings = parse_resolv_conf(of_host);
    if (!wanted.dns_search.empty()) {
        settings.search = wanted.dns_search;
        std::erase(settings.search, ".");  // docker's word for none
    }
    if (!wanted.dns_options.empty()) {
        settings.options = wanted.dns_options;
    }
    if (!wanted.dns.empty()) {
        settings.servers = wanted.dns;
    }
    if (names_in(lease)) {
        settings.servers = {std::string(kNameServer)};
        const bool has_ndots = std::ranges::any_of(
            settings.options, [](const std::string& one) { return one.starts_with("ndots:"); });
        if (!has_ndots) {
            settings.options.emplace_back("ndots:0");
        }
    } else if (wanted.dns.empty()) {
        // The host's own loopback is out of the container's reach.
        std::erase_if(settings.servers, is_loopback);
    }
    std::string text;
    for (const std::string& server : settings.servers) {
        text += fmt::format("nameserver {}\n", server);
    }
    if (!settings.search.empty()) {
        text += fmt::format("search {}\n", fmt::join(settings.search, " "));
    }
    if (!settings.options.empty()) {
        text += fmt::format("options {}\n", fmt::join(settings.options, " "));
    }
    return text;
}

void write_etc_files(const fs::path& directory, const Container& container,
                     const NetworkLease& lease, const IpAddress& host_gateway) {
    const bool of_host = container.config.network_mode == "host";
    const std::string resolver = host_file("/etc/resolv.conf");
    write_in_place(directory / "hosts",
                   of_host ? host_file("/etc/hosts") : hosts_text(container, lease, host_gateway));
    write_in_place(directory / "hostname", container.config.hostname + "\n");
    write_in_place(directory / "resolv.conf", of_host && container.config.network.dns.empty()
                                                  ? resolver
                                                  : resolv_text(container, lease, resolver));
}

}  // namespace drydock
