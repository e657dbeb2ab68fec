#include "saved_config.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "01-chroot/file.hpp"

namespace drydock {

oci::Config saved_config(int container, const ContainerState& state) {
    if (::faccessat(container, "config.json", F_OK, 0) == -1) {
        return oci::read_bundle(state.bundle).config;
    }
    const std::string name = fmt::format("config.json of container \"{}\"", state.id);
    const UniqueFd file = open_at(container, "config.json", O_RDONLY);
    return oci::parse_config(read_all(file.get(), oci::kMaxConfigBytes, name), name).config;
}

}  // namespace drydock
