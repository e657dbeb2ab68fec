#include "07-compose/names/name_book.hpp"

#include <algorithm>
#include <atomic>
#include <sstream>
#include <utility>

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

std::string in_lower_case(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    return text;
}

bool is_called(const NamedPlace& place, const std::string& name) {
    return std::ranges::any_of(place.names, [&](const std::string& one) {
        const std::string own = in_lower_case(one);
        return name == own || name == own + "." + in_lower_case(place.network_name);
    });
}

/// Whom the container itself calls `name` in that network; `name` when nobody especially.
std::string linked_name(const NamedContainer& asker, const std::string& network_id,
                        const std::string& name) {
    for (const NamedPlace& place : asker.places) {
        for (const std::string& link : place.links) {
            const auto colon = link.find(':');
            if (place.network_id == network_id && colon != std::string::npos &&
                in_lower_case(link.substr(colon + 1)) == name) {
                return in_lower_case(link.substr(0, colon));
            }
        }
    }
    return name;
}

bool is_in(const NamedContainer& container, const std::string& network_id) {
    return std::ranges::any_of(
        container.places, [&](const NamedPlace& place) { return place.network_id == network_id; });
}

/// Calls `see` with every place in a network that the asker is in.
template <class See>
void each_seen(const std::map<std::string, NamedContainer>& containers, const NamedContainer& asker,
               const See& see) {
    for (const auto& [id, other] : containers) {
        for (const NamedPlace& place : other.places) {
            if (is_in(asker, place.network_id)) {
                see(place);
            }
        }
    }
}

std::vector<IpAddress> servers_of_host() {
    try {
        return name_servers_in(read_file("/etc/resolv.conf"));
    } catch (const std::exception&) {
        return {};  // a host without resolv.conf asks nobody
    }
}

std::vector<std::string> texts_of(const std::vector<IpAddress>& addresses) {
    std::vector<std::string> texts;
    for (const IpAddress& address : addresses) {
        texts.push_back(to_text(address));
    }
    return texts;
}

std::vector<IpAddress> addresses_from(const nlohmann::json& list) {
    std::vector<IpAddress> addresses;
    for (const nlohmann::json& text : list) {
        if (const auto address = parse_ip_address(text.get<std::string>())) {
            addresses.push_back(*address);
        }
    }
    return addresses;
}

}  // namespace

std::string to_json(const NamedContainer& container) {
    nlohmann::json places = nlohmann::json::array();
    for (const NamedPlace& place : container.places) {
        places.push_back({{"network_id", place.network_id},
                          {"network_name", place.network_name},
                          {"names", place.names},
                          {"links", place.links},
                          {"addresses", texts_of(place.addresses)}});
    }
    const nlohmann::json object = {{"places", places},
                                   {"asks_outside", container.asks_outside},
                                   {"servers", texts_of(container.servers)}};
    return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

NamedContainer named_container_from_json(std::string_view text) {
    try {
        const auto object = nlohmann::json::parse(text);
        NamedContainer container{.asks_outside = object.at("asks_outside"),
                                 .servers = addresses_from(object.at("servers"))};
        for (const auto& place : object.at("places")) {
            container.places.push_back({.network_id = place.at("network_id"),
                                        .network_name = place.at("network_name"),
                                        .names = place.at("names"),
                                        .links = place.at("links"),
                                        .addresses = addresses_from(place.at("addresses"))});
        }
        return container;
    } catch (const nlohmann::json::exception& e) {
        throw InputError(fmt::format("names of a container: {}", e.what()));
    }
}

std::vector<IpAddress> name_servers_in(std::string_view resolv_conf) {
    std::vector<IpAddress> servers;
    std::istringstream lines{std::string(resolv_conf)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string key;
        std::string value;
        words >> key >> value;
        if (const auto address = parse_ip_address(value); key == "nameserver" && address) {
            servers.push_back(*address);
        }
    }
    return servers;
}

void NameBook::put(const std::string& container, NamedContainer is) {
    const std::lock_guard lock(mutex_);
    containers_[container] = std::move(is);
}

void NameBook::erase(const std::string& container) {
    const std::lock_guard lock(mutex_);
    containers_.erase(container);
}

NameSource NameBook::source() const {
    const auto addresses = [this](
                               const std::string& container,
                               const std::string& name) -> std::optional<std::vector<IpAddress>> {
        static std::atomic<std::size_t> turn = 0;
        std::vector<IpAddress> found;
        const std::lock_guard lock(mutex_);
        if (const auto asker = containers_.find(container); asker != containers_.end()) {
            each_seen(containers_, asker->second, [&](const NamedPlace& place) {
                if (is_called(place, linked_name(asker->second, place.network_id, name))) {
                    found.insert(found.end(), place.addresses.begin(), place.addresses.end());
                }
            });
        }
        if (found.empty()) {
            return std::nullopt;
        }
        // Each time another one is the first, so that several containers share the work.
        std::ranges::rotate(found,
                            found.begin() + static_cast<std::ptrdiff_t>(turn++ % found.size()));
        return found;
    };
    const auto name = [this](const std::string& container, const IpAddress& address) {
        std::string found;
        const std::lock_guard lock(mutex_);
        if (const auto asker = containers_.find(container); asker != containers_.end()) {
            each_seen(containers_, asker->second, [&](const NamedPlace& place) {
                const bool is_it =
                    std::ranges::find(place.addresses, address) != place.addresses.end();
                if (is_it && !place.names.empty()) {
                    found = place.names.front() + "." + place.network_name;
                }
            });
        }
        return found;
    };
    const auto servers = [this](const std::string& container) -> std::vector<IpAddress> {
        {
            const std::lock_guard lock(mutex_);
            const auto asker = containers_.find(container);
            if (asker == containers_.end() || !asker->second.asks_outside) {
                return {};
            }
            if (!asker->second.servers.empty()) {
                return asker->second.servers;
            }
        }
        return servers_of_host();
    };
    return {.addresses = addresses, .name = name, .servers = servers};
}

}  // namespace drydock
