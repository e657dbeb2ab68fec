#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

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
    void show_layer(const std::string& id, const std::string& status, const std::string& detail);
    void print(const std::string& text) const;

    int fd_;
    bool quiet_;
    bool terminal_;
    std::vector<std::string> layers_{};  ///< IDs, from the top line to the bottom one
    std::map<std::string, std::string> last_status_{};
};

/// Shows a whole stream of messages on `fd`.
/// @return what the "aux" messages held, merged: {"ID": …} of a build, {"Digest": …} of a push
nlohmann::json show_progress(Exchange& exchange, int fd, bool quiet);

/// Pulls `reference` (POST /images/create) and shows how it goes on.
void pull_image(const Engine& engine, const std::string& reference, int fd, bool quiet);

}  // namespace drydock::cli
