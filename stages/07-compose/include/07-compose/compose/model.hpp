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

struct Service {
    std::string name{};
    cli::ContainerSpec
        container{};  ///< without labels and name, which come from the project (naming.hpp)
    std::string container_name{};
    std::optional<Build> build{};
    std::vector<std::string> depends_on{};  ///< names of services, as written
    int replicas = 1;
};

/// A compose file, checked: every name in depends_on is there, and there is no cycle.
struct Project {
    std::string name{};
    std::filesystem::path file{};     ///< absolute
    std::vector<Service> services{};  ///< as in the file

    std::vector<std::string> warnings{};  ///< a line each, for the user

    [[nodiscard]] const Service& service(const std::string& name) const;
};

}  // namespace drydock::compose
