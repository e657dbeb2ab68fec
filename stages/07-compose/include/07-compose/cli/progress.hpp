#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "06-registry/progress_display.hpp"
#include "07-compose/cli/engine.hpp"
#include "07-compose/cli/http_request.hpp"

namespace drydock::cli {

/// Shows the messages of a pull, push, load or build: on a terminal one line for each layer that
/// changes in place; else a line for each change of state, without the steps between.
class Progress {
  public:
    /// @param quiet nothing is shown, only errors count
    Progress(int fd, bool quiet);
    /// @throws EngineError when the message says that the work failed
    void show(const nlohmann::json& message);

  private:
    int fd_;
    bool quiet_;
    ProgressDisplay display_;
};

/// Shows a whole stream of messages on `fd`.
/// @return what the "aux" messages held, merged: {"ID": …} of a build, {"Digest": …} of a push
nlohmann::json show_progress(Exchange& exchange, int fd, bool quiet);

/// The value of X-Registry-Auth for an image of that name: what login kept for its registry.
std::string stored_auth_for(const std::string& image);

/// Pulls `reference` (POST /images/create) and shows how it goes on.
/// @param platform "linux/amd64"; "": the daemon's
void pull_image(const Engine& engine, const std::string& reference, int fd, bool quiet,
                const std::string& platform = {});

}  // namespace drydock::cli
