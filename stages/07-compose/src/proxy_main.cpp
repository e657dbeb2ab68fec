#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "02-namespaces/capabilities.hpp"
#include "07-compose/proxy/port_proxy.hpp"

namespace {

/// It moves bytes between sockets: nothing of what root may do is needed for that.
void give_up_privileges() {
    drydock::check(::chdir("/"), "chdir(/)");
    drydock::check(::prctl(PR_SET_DUMPABLE, 0), "prctl(PR_SET_DUMPABLE, 0)");
    drydock::set_no_new_privs();
    if (::geteuid() == 0) {
        drydock::bound_capabilities(0);
    }
    drydock::set_capabilities({});
}

}  // namespace

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-proxy";
    if (argc > 1) {
        const bool help = std::string_view(argv[1]) == "--help";
        std::fputs(
            "Usage: drydock-proxy\n\nPasses on what comes to published ports of one container "
            "where "
            "the kernel cannot.\nStarted by drydock-daemon, which tells it on its standard input; "
            "takes no arguments.\n",
            help ? stdout : stderr);
        return help ? 0 : drydock::kSetupFailed;
    }
    try {
        rlimit files{};
        drydock::check(::getrlimit(RLIMIT_NOFILE, &files), "getrlimit(RLIMIT_NOFILE)");
        files.rlim_cur = files.rlim_max;
        drydock::check(::setrlimit(RLIMIT_NOFILE, &files), "setrlimit(RLIMIT_NOFILE)");
        give_up_privileges();
        drydock::run_port_proxy(drydock::UniqueFd(STDIN_FILENO));
        return 0;
    } catch (...) {
        return drydock::report_current_exception(kProgram);
    }
}
