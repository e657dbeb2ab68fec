#include "registry_access.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> config_directories() {
    const char* given = std::getenv("DRYDOCK_CONFIG");  // NOLINT(concurrency-mt-unsafe)
    return given != nullptr ? std::vector<fs::path>{given}
                            : std::vector<fs::path>{"/etc/drydock", "/etc/docker"};
}

std::string host_part(const std::string& domain) {
    const std::size_t colon = domain.rfind(':');
    const bool has_port =
        colon != std::string::npos && domain.find(']', colon) == std::string::npos;
    return has_port ? domain.substr(0, colon) : domain;
}

bool is_loopback_host(const std::string& domain) {
    const std::string host = host_part(domain);
    return host == "localhost" || host.starts_with("127.") || host == "[::1]";
}

std::optional<std::uint32_t> ipv4_of(const std::string& text) {
    in_addr address{};
    return ::inet_pton(AF_INET, text.c_str(), &address) == 1 ? std::optional(ntohl(address.s_addr))
                                                             : std::nullopt;
}

/// "10.0.0.0/8" holds "10.1.2.3:5000"; a name holds itself.
bool holds(const std::string& entry, const std::string& domain) {
    const std::size_t slash = entry.find('/');
    if (slash == std::string::npos) {
        return entry == domain || entry == host_part(domain);
    }
    const auto network = ipv4_of(entry.substr(0, slash));
    const auto address = ipv4_of(host_part(domain));
    unsigned bits = 0;
    const auto [end, error] =
        std::from_chars(entry.data() + slash + 1, entry.data() + entry.size(), bits);
    constexpr unsigned kBits = 32;
    if (!network || !address || error != std::errc{} || bits > kBits) {
        return false;
    }
    const std::uint32_t mask = bits == 0 ? 0 : ~std::uint32_t{0} << (kBits - bits);
    return (*network & mask) == (*address & mask);
}

/// The daemon.json of `directory`; an empty object when there is none.
nlohmann::json daemon_json(const fs::path& directory) {
    const fs::path path = directory / "daemon.json";
    if (!fs::exists(path)) {
        return nlohmann::json::object();
    }
    auto parsed = nlohmann::json::parse(read_file(path, std::size_t{1} << 20U), nullptr, false);
    if (!parsed.is_object()) {
        throw InputError(fmt::format("{}: expected a JSON object", path.native()));
    }
    return parsed;
}

bool is_insecure(const std::string& domain) {
    for (const fs::path& directory : config_directories()) {
        const auto parsed = daemon_json(directory);
        const auto list = parsed.find("insecure-registries");
        if (list == parsed.end()) {
            continue;
        }
        for (const auto& entry : *list) {
            if (!entry.is_string()) {
                throw InputError(fmt::format(
                    "{}: insecure-registries: expected a list of host:port and networks",
                    (directory / "daemon.json").native()));
            }
            if (holds(entry.get<std::string>(), domain)) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace

HttpTrust certificates_for(const std::string& domain) {
    HttpTrust trust;
    for (const fs::path& parent : config_directories()) {
        const fs::path directory = parent / "certs.d" / domain;
        const auto take = [&](const char* name, std::string& into) {
            if (into.empty() && fs::exists(directory / name)) {
                into = (directory / name).native();
            }
        };
        take("ca.crt", trust.ca_file);
        take("client.cert", trust.certificate);
        take("client.key", trust.key);
    }
    return trust;
}

// [region: registry-access]
RegistryAccess registry_access(const std::string& domain) {
    if (domain == "docker.io") {
        return {.origins = {"https://registry-1.docker.io"}};
    }
    RegistryAccess access{.trust = certificates_for(domain)};
    const std::string plain = "http://" + domain;
    const std::string secure = "https://" + domain;
    if (!access.trust.ca_file.empty()) {
        access.origins = {secure};  // somebody cares who it is
    } else if (is_loopback_host(domain)) {
        access.trust.verify = false;
        access.origins = {plain, secure};
    } else if (is_insecure(domain)) {
        access.trust.verify = false;
        access.origins = {secure, plain};
    } else {
        access.origins = {secure};
    }
    return access;
}
// [/region]

std::optional<unsigned> daemon_number(const char* key) {
    for (const fs::path& directory : config_directories()) {
        const auto parsed = daemon_json(directory);
        const auto found = parsed.find(key);
        if (found == parsed.end()) {
            continue;
        }
        constexpr unsigned kMost = 1000;
        if (!found->is_number_unsigned() || *found == 0 || *found > kMost) {
            throw InputError(fmt::format("{}: {}: expected a whole number from 1 to {}",
                                         (directory / "daemon.json").native(), key, kMost));
        }
        return found->get<unsigned>();
    }
    return std::nullopt;
}

}  // namespace drydock
