#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "02-namespaces/capabilities.hpp"
#include "07-compose/names/names_service.hpp"

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-names";
    if (argc > 1) {
        const bool help = std::string_view(argv[1]) == "--help";
        std::fputs(
            "Usage: drydock-names\n\nAnswers for names in containers, also while no daemon runs.\n"
            "Started by drydock-daemon, which connects to the socket that is its standard input; "
            "takes no arguments.\n",
            help ? stdout : stderr);
        return help ? 0 : drydock::kSetupFailed;
    }
    try {
        drydock::check(::chdir("/"), "chdir(/)");
        drydock::check(::prctl(PR_SET_DUMPABLE, 0), "prctl(PR_SET_DUMPABLE, 0)");
        rlimit files{};
        drydock::check(::getrlimit(RLIMIT_NOFILE, &files), "getrlimit(RLIMIT_NOFILE)");
        files.rlim_cur = files.rlim_max;
        drydock::check(::setrlimit(RLIMIT_NOFILE, &files), "setrlimit(RLIMIT_NOFILE)");
        // It reads resolv.conf, and sends and receives: nothing of what root may do is needed.
        drydock::set_no_new_privs();
        if (::geteuid() == 0) {
            drydock::bound_capabilities(0);
        }
        drydock::set_capabilities({});
        drydock::run_names_service(drydock::UniqueFd(STDIN_FILENO));
        return 0;
    } catch (...) {
        return drydock::report_current_exception(kProgram);
    }
}
