#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "05-images/dockerfile.hpp"
#include "05-images/expand.hpp"
#include "05-images/image_store.hpp"

namespace drydock {

/// What a stage of a build has come to: an image that may not be in the store yet, and what later
/// instructions of the stage need to know beside it.
struct BuildState {
    oci::ImageConfig config{};
    std::string config_text{};  ///< of `config`; an image taken over as it is keeps its own bytes
    std::vector<oci::Descriptor> layers{};
    std::optional<Image> image{};  ///< while nothing was changed: the image that FROM named
    std::map<std::string, std::string> args{};  ///< of ARG in this stage, and what was given for it
    bool cmd_set_here = false;
    std::size_t stage = 0;  ///< the stage that is being built
    int step = 0;           ///< of the whole build: the number of the last step begun

    /// "sha256:…": the image's ID if the build ended here
    [[nodiscard]] std::string id() const;
    /// The first 12 digits of it.
    [[nodiscard]] std::string short_id() const;
};

/// Values for $variables: ENV before ARG.
LookUpVariable variables_of(const BuildState& state);

/// An instruction that changes settings only, with variables replaced.
struct SettingsChange {
    std::string canonical{};   ///< what the cache key depends on
    std::string created_by{};  ///< for the history
};

/// Applies ENV, LABEL, CMD, ENTRYPOINT, USER, EXPOSE, VOLUME, STOPSIGNAL, SHELL, MAINTAINER and
/// WORKDIR's setting to state.config.
/// @throws InputError (without the place in the file)
SettingsChange apply_settings(BuildState& state, const Instruction& instruction, char escape);

/// The words that start `text` in the image's shell: "/bin/sh", "-c", text.
std::vector<std::string> shell_command(const oci::ExecutionConfig& config, const std::string& text);

/// An absolute path of the image: `path` seen from its working directory.
std::string path_in_image(const oci::ExecutionConfig& config, const std::string& path);

}  // namespace drydock
