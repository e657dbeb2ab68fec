#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "04-layers/digest.hpp"
#include "05-images/descriptor.hpp"

namespace drydock {

namespace oci {

/// docker's addition to the spec: how to find out whether the service in a container works.
struct Healthcheck {
    std::vector<std::string> test{};  ///< {"CMD", …}, {"CMD-SHELL", "text"} or {"NONE"}
    std::int64_t interval = 0;        ///< nanoseconds, as all of them; 0: the default
    std::int64_t timeout = 0;
    std::int64_t start_period = 0;
    std::int64_t start_interval = 0;
    int retries = 0;
};

/// What a container of the image is started with unless its user says otherwise: "config" of the
/// spec.
struct ExecutionConfig {
    std::string user{};                     ///< "name|uid[:group|gid]"
    std::set<std::string> exposed_ports{};  ///< "80/tcp"
    std::vector<std::string> env{};         ///< "NAME=value"
    std::optional<std::vector<std::string>> entrypoint{};
    std::optional<std::vector<std::string>> cmd{};
    std::set<std::string> volumes{};
    std::string working_dir{};
    std::map<std::string, std::string> labels{};
    std::string stop_signal{};
    std::vector<std::string> shell{};     ///< of SHELL; empty: /bin/sh -c
    std::vector<std::string> on_build{};  ///< instructions for builds FROM this image
    std::optional<Healthcheck> healthcheck{};
};

/// How one layer, or one change of settings, came to be.
struct History {
    std::string created{};  ///< RFC 3339
    std::string created_by{};
    std::string author{};
    std::string comment{};
    bool empty_layer = false;  ///< it changed settings only
};

/// The image configuration. The digest of its bytes is the image's ID.
/// @see OCI image-spec, config.md
struct ImageConfig {
    std::string created{};  ///< RFC 3339; empty when it does not say
    std::string author{};
    Platform platform{};
    ExecutionConfig config{};
    std::vector<Digest> diff_ids{};  ///< of the uncompressed layers, the lowest first
    std::vector<History> history{};
};

}  // namespace oci

/// The largest image configuration that is read.
inline constexpr std::size_t kMaxConfigSize = std::size_t{4} << 20U;

/// @param name of the document, for messages
/// @throws InputError with the JSON pointer
oci::ImageConfig parse_image_config(std::string_view text, std::string_view name);
/// The bytes of a new configuration: keys sorted, no white space.
std::string to_text(const oci::ImageConfig& config);

}  // namespace drydock
