#include "07-compose/compose/model.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock::compose {

const Service& Project::service(const std::string& service_name) const {
    const auto found = std::ranges::find(services, service_name, &Service::name);
    if (found == services.end()) {
        throw InputError(fmt::format("{}: no service \"{}\"", file.native(), service_name));
    }
    return *found;
}

}  // namespace drydock::compose
