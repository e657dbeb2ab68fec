#pragma once

#include <filesystem>
#include <string>

#include "01-chroot/walk.hpp"
#include "05-images/image_store.hpp"
#include "05-images/runtime_config.hpp"

namespace drydock::stage05 {

struct Options {
    std::string image{};
    ContainerOptions container{};
    std::filesystem::path runtime_root{};  ///< empty: DATA_ROOT/runtime
    WalkOptions walk{};
};

/// The image that `name` means; the base image is made if it is asked for and not there.
/// @throws InputError "No such image: x:latest"
Image image_for(ImageStore& store, const std::string& name);

/// Runs a command in a container of the image, in the foreground. What it changed is gone
/// afterwards, however it ended.
/// @return its exit status; 125, 126, 127 as drydock-runtime gives them
int run(ImageStore& store, const Options& options);

}  // namespace drydock::stage05
