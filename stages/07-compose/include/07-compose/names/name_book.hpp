#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "02-namespaces/ip_address.hpp"
#include "07-compose/names/name_server.hpp"

namespace drydock {

/// A container's place in a network whose members find each other by name.
struct NamedPlace {
    std::string network_id{};
    std::string network_name{};
    std::vector<std::string> names{};  ///< what others in the network call it
    std::vector<std::string> links{};  ///< "name:alias": what it calls others
    std::vector<IpAddress> addresses{};
    bool operator==(const NamedPlace&) const = default;
};

/// What the name server knows of a container.
struct NamedContainer {
    std::vector<NamedPlace> places{};
    /// Whether its questions may leave the host; in internal networks alone they may not
    /// (CVE-2024-29018).
    bool asks_outside = false;
    std::vector<IpAddress> servers{};  ///< of --dns; empty: the host's
    bool operator==(const NamedContainer&) const = default;
};
std::string to_json(const NamedContainer& container);
/// @throws InputError
NamedContainer named_container_from_json(std::string_view text);

/// Who is called what. For any number of threads.
class NameBook {
  public:
    void put(const std::string& container, NamedContainer is);
    void erase(const std::string& container);
    /// Answers from this book, as long as it lives.
    [[nodiscard]] NameSource source() const;

  private:
    mutable std::mutex mutex_{};
    std::map<std::string, NamedContainer> containers_{};
};

/// The addresses in the nameserver lines of a resolv.conf.
std::vector<IpAddress> name_servers_in(std::string_view resolv_conf);

}  // namespace drydock
