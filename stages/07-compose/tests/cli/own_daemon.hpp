#pragma once

#include <string>
#include <vector>

#include "01-chroot/temp_dir.hpp"

#include "testing/program.hpp"

namespace drydock::testing {

/// A daemon with data and run root of its own, which the first command starts and the destructor
/// ends, with all its containers.
class OwnDaemon {
  public:
    OwnDaemon() : directory_("drydock-own") {}
    ~OwnDaemon() {
        const Outcome ids = run({"ps", "-aq"});
        for (std::size_t at = 0; at + 12 < ids.out.size(); at += 13) {
            run({"rm", "-f", ids.out.substr(at, 12)});
        }
        run({"daemon", "stop"});
    }
    OwnDaemon(const OwnDaemon&) = delete;
    OwnDaemon& operator=(const OwnDaemon&) = delete;
    OwnDaemon(OwnDaemon&&) = delete;
    OwnDaemon& operator=(OwnDaemon&&) = delete;

    [[nodiscard]] std::filesystem::path directory() const { return directory_.path(); }
    [[nodiscard]] std::vector<std::string> environment() const {
        return {"DRYDOCK_DATA_ROOT=" + (directory_.path() / "data").native(),
                "DRYDOCK_RUN_ROOT=" + (directory_.path() / "run").native(),
                "DRYDOCK_HOST=", "DOCKER_HOST="};
    }
    /// `drydock ARGUMENTS` against it.
    Outcome run(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), "drydock");
        return run_program(arguments, environment());
    }

  private:
    TempDir directory_;
};

}  // namespace drydock::testing
