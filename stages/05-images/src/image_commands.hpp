#pragma once

#include <filesystem>
#include <functional>

#include <CLI/App.hpp>

#include "05-images/image_store.hpp"

namespace drydock {

/// What the command line asked for; set while it is parsed. @return the exit status
using ImageCommand = std::function<int(ImageStore&)>;

/// build, images, tag, rmi, inspect, history, save, load, run
void add_image_commands(CLI::App& app, ImageCommand& command);

/// /var/lib/drydock; without root $XDG_DATA_HOME/drydock.
std::filesystem::path default_data_root();

}  // namespace drydock
