#include <CLI/App.hpp>

#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "07-compose/api/daemon.hpp"
#include "07-compose/api/rootless.hpp"

#include "engine/held_root.hpp"

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-daemon";
    CLI::App app(
        "Serves the Docker Engine API on a Unix socket, and runs the containers asked for there",
        kProgram);
    drydock::DaemonOptions options = drydock::default_daemon_options();
    app.add_option("--host,-H", options.host, "unix://PATH of the socket (RUN_ROOT/drydock.sock)")
        ->type_name("ADDRESS");
    app.add_option("--data-root", options.data_root, "where images and containers are kept")
        ->capture_default_str()
        ->type_name("DIR");
    app.add_option("--run-root", options.run_root, "where what a reboot forgets is kept")
        ->capture_default_str()
        ->type_name("DIR");
    constexpr unsigned kMostAtOnce = 64;
    app.add_option("--max-concurrent-downloads", options.downloads_at_once,
                   "layers that each pull fetches at the same time (3)")
        ->check(CLI::Range(1U, kMostAtOnce))
        ->type_name("NUMBER");
    app.add_option("--max-concurrent-uploads", options.uploads_at_once,
                   "layers that each push sends at the same time (5)")
        ->check(CLI::Range(1U, kMostAtOnce))
        ->type_name("NUMBER");
    app.add_option("--outer", options.outer, "given by a daemon without privileges to itself")
        ->group("");
    app.add_flag("--no-nat", options.no_nat,
                 "do not use the kernel's NAT: published ports are served by proxies, and the "
                 "outside sees containers with their own addresses");
    try {
        if (argc == 3 && std::string_view(argv[1]) == "--hold-root") {
            return drydock::hold_root(argv[2]);
        }
        if (const auto status = drydock::parse_command_line(app, argc, argv)) {
            return *status;
        }
        return drydock::needs_rootless() ? drydock::run_rootless(options)
                                         : drydock::run_daemon(options);
    } catch (...) {
        return drydock::report_current_exception(kProgram);
    }
}
