// A container's processes as the host's ps(1) shows them.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "03-cgroups/lifecycle.hpp"
#include "07-compose/engine/engine.hpp"
#include "07-compose/engine/engine_error.hpp"

#include "engine/entry.hpp"

namespace drydock {
namespace {

/// What `ps ARGUMENTS` prints.
std::string output_of_ps(const std::string& arguments) {
    std::vector<std::string> words = {"ps"};
    std::istringstream split(arguments.empty() ? "-ef" : arguments);
    for (std::string word; split >> word;) {
        words.push_back(word);
    }
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    Pipe pipe = make_pipe();
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, pipe.write.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    const int error = ::posix_spawnp(&pid, "ps", &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        throw InputError("top: ps(1) cannot be started: install it (procps)");
    }
    pipe.write = UniqueFd();
    constexpr std::size_t kMost = std::size_t{64} << 20U;
    std::string text = read_all(pipe.read.get(), kMost, "the output of ps");
    int status = 0;
    check(::waitpid(pid, &status, 0), "waitpid(ps)");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        throw InputError(fmt::format("Error running ps: ps {} says no", arguments));
    }
    return text;
}

}  // namespace

ProcessList Engine::top(std::string_view name, const std::string& arguments) {
    const Container container = find(name);
    if (container.state.status != Status::Running) {
        throw EngineError(Refusal::Conflict,
                          fmt::format("Container {} is not running", container.id));
    }
    const auto pids = processes_of_container(runtime_root(), container.id);
    ProcessList list = parse_process_list(output_of_ps(arguments), pids);
    tell(container, "top");
    return list;
}

}  // namespace drydock
