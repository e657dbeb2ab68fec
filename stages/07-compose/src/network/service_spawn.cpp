#include "07-compose/network/service_spawn.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <csignal>
#include <system_error>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/exit_status.hpp"
#include "03-cgroups/programs.hpp"

namespace drydock {
namespace {

class ServiceSpawn {
  public:
    ServiceSpawn() {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawnattr_init(&attributes_);
        sigset_t none;
        ::sigemptyset(&none);
        sigset_t all;
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        ::posix_spawnattr_setflags(
            &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    }
    ~ServiceSpawn() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }
    ServiceSpawn(const ServiceSpawn&) = delete;
    ServiceSpawn& operator=(const ServiceSpawn&) = delete;
    ServiceSpawn(ServiceSpawn&&) = delete;
    ServiceSpawn& operator=(ServiceSpawn&&) = delete;

    int run(pid_t& pid, std::vector<std::string>& words, int input) {
        ::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
        for (const int output : {STDOUT_FILENO, STDERR_FILENO}) {
            ::posix_spawn_file_actions_addopen(&actions_, output, "/dev/null", O_WRONLY, 0);
        }
        std::vector<char*> argv;
        for (std::string& word : words) {
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        return ::posix_spawn(&pid, argv.front(), &actions_, &attributes_, argv.data(),
                             environ);  // NOLINT(concurrency-mt-unsafe)
    }

  private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

}  // namespace

pid_t spawn_service(const std::string& program, const std::vector<std::string>& arguments,
                    int input) {
    std::vector<std::string> words = {program_beside(program)};
    words.insert(words.end(), arguments.begin(), arguments.end());
    pid_t pid = 0;
    if (const int error = ServiceSpawn().run(pid, words, input); error != 0) {
        throw SetupError(
            fmt::format("{}: {}", words.front(), std::generic_category().message(error)),
            std::error_code(error, std::generic_category()), kSetupFailed);
    }
    return pid;
}

}  // namespace drydock
