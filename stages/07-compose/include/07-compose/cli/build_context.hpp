#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "07-compose/cli/engine.hpp"

namespace drydock::cli {

/// Writes what the .dockerignore of `directory` leaves of it as a tar archive, sorted by name.
/// `dockerfile` and .dockerignore are always in it. Sockets, pipes and devices are not.
/// @throws InputError when a file shrinks meanwhile
void write_context(const std::filesystem::path& directory, const std::string& dockerfile,
                   const std::function<void(std::string_view)>& sink);

struct BuildRequest {
    std::filesystem::path context{};
    std::string dockerfile = "Dockerfile";  ///< relative to the context
    std::vector<std::string> tags{};
    std::map<std::string, std::string> build_args{};
    std::map<std::string, std::string> labels{};
    std::string target{};
    bool no_cache = false;
    bool pull = false;
    bool quiet = false;
    std::string network{};                         ///< of RUN: "" or "none", "host"
    std::map<std::string, std::string> secrets{};  ///< by ID
    bool explain_cache = false;
};

/// Builds; the daemon's lines go to `fd`, unless the request is quiet.
/// @return the image's ID
/// @throws InputError when context or Dockerfile is not there; EngineError whose status() is the
/// exit status of a
///         RUN that failed
std::string build_image(const Engine& engine, const BuildRequest& request, int fd);

/// What is odd in the Dockerfile, said by the daemon, which gets that file and .dockerignore only.
struct BuildCheck {
    std::string text{};
    std::size_t warnings = 0;
};
BuildCheck check_build(const Engine& engine, const BuildRequest& request);

}  // namespace drydock::cli
