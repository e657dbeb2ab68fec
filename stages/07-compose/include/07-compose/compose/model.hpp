#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "07-compose/cli/container_spec.hpp"

namespace drydock::compose {

struct Build {
    std::filesystem::path context{};  ///< absolute
    std::string dockerfile{};         ///< relative to the context
    std::map<std::string, std::string> args{};
    std::string target{};
};

/// A network of the file.
struct ProjectNetwork {
    struct Pool {
        std::string subnet{};
        std::string gateway{};
        std::string range{};
    };
    std::string name{};     ///< "" for PROJECT_KEY
    bool external = false;  ///< somebody else makes it
    bool internal = false;
    bool ipv6 = false;
    std::string driver{};
    std::map<std::string, std::string> options{};
    std::map<std::string, std::string> labels{};
    std::vector<Pool> pools{};
};

/// What a service sees of the outside.
struct ServiceVolume {
    std::string type{};    ///< "bind", "volume", "tmpfs"
    std::string source{};  ///< of a bind: an absolute path; of a volume: its key in the file, or ""
    std::string target{};
    std::string mode{};  ///< "ro", "z", "nocopy", …, with commas; of a tmpfs its options
};

/// A volume of the project.
struct ProjectVolume {
    std::string key{};   ///< in the file
    std::string name{};  ///< "" for PROJECT_KEY
    std::string driver{};
    std::map<std::string, std::string> driver_options{};
    std::map<std::string, std::string> labels{};
    bool external = false;  ///< it is there already, and not ours
};

/// What must be so of a service before those that depend on it are started.
struct Dependency {
    /// "service_started", "service_healthy", "service_completed_successfully"
    std::string condition = "service_started";
    bool required = true;  ///< false: go on without it when it fails
};

struct Service {
    std::string name{};
    cli::ContainerSpec
        container{};  ///< without labels and name, which come from the project (naming.hpp)
    std::string container_name{};
    std::optional<Build> build{};
    std::vector<std::string> depends_on{};                ///< names of services, as written
    std::map<std::string, cli::EndpointSpec> networks{};  ///< by key; empty with a network_mode
    std::map<std::string, Dependency> dependencies{};     ///< by name, where the file says more
    std::vector<ServiceVolume> volumes{};
    int replicas = 1;
};

/// A compose file, checked: every name in depends_on is there, and there is no cycle.
struct Project {
    std::string name{};
    std::filesystem::path file{};                      ///< absolute
    std::vector<Service> services{};                   ///< as in the file
    std::map<std::string, ProjectNetwork> networks{};  ///< by key: those that a service is in
    std::vector<ProjectVolume> volumes{};

    std::vector<std::string> warnings{};  ///< a line each, for the user

    [[nodiscard]] const Service& service(const std::string& name) const;
};

}  // namespace drydock::compose
