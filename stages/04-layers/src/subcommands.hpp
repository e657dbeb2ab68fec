#pragma once

#include <filesystem>
#include <string>

#include <CLI/App.hpp>

#include "02-namespaces/run.hpp"
#include "03-cgroups/limits.hpp"
#include "04-layers/overlay.hpp"
#include "04-layers/run.hpp"

namespace drydock::stage04 {

/// What the flags of any of drydock-04's subcommands fill.
struct Arguments {
    Options run{};
    stage02::Options flags{};
    Limits limits{};
    std::filesystem::path layer{};
    std::filesystem::path directory{};
    std::filesystem::path output{};
    std::string lowers{};
    Overlay overlay{};
};

/// Each subcommand does its work when it has been parsed, and leaves its exit status in `status`.
/// @param arguments, @param status must outlive `app`
void add_subcommands(CLI::App& app, Arguments& arguments, int& status);

}  // namespace drydock::stage04
