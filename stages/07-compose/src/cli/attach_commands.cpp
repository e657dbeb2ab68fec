// attach, exec: our terminal is that of a container which runs.
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/signals.hpp"
#include "07-compose/cli/container_spec.hpp"
#include "07-compose/cli/conversation.hpp"
#include "07-compose/cli/foreground.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

struct ExecFlags {
    bool detach = false;
    bool privileged = false;
    ConversationOptions streams{};
    std::vector<std::string> env{};
    std::string user{};
    std::string workdir{};
    std::string detach_keys{};
    std::string container{};
    std::vector<std::string> command{};
};

std::string exec_body(const ExecFlags& flags) {
    std::vector<std::string> env;
    for (const std::string& text : flags.env) {
        if (auto variable = parse_env(text, "--env")) {
            env.push_back(std::move(*variable));
        }
    }
    json body = {{"Cmd", flags.command},
                 {"Env", env},
                 {"User", flags.user},
                 {"WorkingDir", flags.workdir},
                 {"DetachKeys", flags.detach_keys},
                 {"Privileged", flags.privileged},
                 {"Tty", flags.streams.tty},
                 {"AttachStdin", flags.streams.interactive && !flags.detach},
                 {"AttachStdout", !flags.detach},
                 {"AttachStderr", !flags.detach}};
    if (const auto size = terminal_size(STDOUT_FILENO); flags.streams.tty && size.rows != 0) {
        body["ConsoleSize"] = {size.rows, size.columns};
    }
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Our streams and the command's until it ends. Ctrl-C and its like end us, as with any program,
/// unless the terminal is the command's and passes them on as keys.
void converse(const Engine& engine, const std::string& id, Exchange stream,
              ConversationOptions options) {
    sigset_t winch{};
    sigemptyset(&winch);
    sigaddset(&winch, SIGWINCH);
    check(::sigprocmask(SIG_BLOCK, &winch, nullptr), "sigprocmask(SIG_BLOCK, SIGWINCH)");
    const UniqueFd resized(check(::signalfd(-1, &winch, SFD_CLOEXEC), "signalfd(SIGWINCH)"));
    Conversation talk(std::move(stream), options);
    while (talk.open()) {
        std::array<pollfd, 3> events{
            {{.fd = talk.input_fd(), .events = POLLIN, .revents = 0},
             {.fd = talk.stream_fd(), .events = talk.stream_events(), .revents = 0},
             {.fd = resized.get(), .events = POLLIN, .revents = 0}}};
        if (::poll(events.data(), events.size(), talk.has_buffered() ? 0 : -1) == -1) {
            check(errno == EINTR ? 0 : -1, "poll(standard input, exec)");
            continue;
        }
        if (events[0].revents != 0) {
            talk.read_input();
        }
        if (events[1].revents != 0 || talk.has_buffered()) {
            talk.copy_stream(events[1].revents);
        }
        if (events[2].revents != 0) {
            signalfd_siginfo info{};
            check(::read(resized.get(), &info, sizeof info), "read(signalfd)");
            if (options.tty) {
                send_terminal_size(engine, path_of({"exec", id, "resize"}));
            }
        }
    }
}

int exec_attached(const Engine& engine, const std::string& id, const ExecFlags& flags) {
    const json start = {{"Detach", false}, {"Tty", flags.streams.tty}};
    converse(engine, id, engine.stream("POST", path_of({"exec", id, "start"}), {}, start.dump()),
             flags.streams);
    const json exec = engine.get(path_of({"exec", id, "json"}));
    // One that goes on: the detach keys were typed.
    return exec.at("ExitCode").is_null() ? 0 : exec.at("ExitCode").get<int>();
}

void check_terminal(const ConversationOptions& options) {
    if (options.tty && options.interactive && ::isatty(STDIN_FILENO) == 0) {
        throw InputError("-t: our standard input is no terminal; leave -t out to pass it on");
    }
}

}  // namespace

int run_exec(const Invocation& invocation) {
    CLI::App app("Runs COMMAND in a container that runs");
    prepare(app, invocation);
    ExecFlags flags;
    app.add_flag("-d,--detach", flags.detach, "do not wait for it");
    app.add_flag("-i,--interactive", flags.streams.interactive, "our standard input is its own");
    app.add_flag("-t,--tty", flags.streams.tty, "give it a terminal");
    add_list(app, "-e,--env", flags.env, "set a variable")->type_name("NAME=VALUE");
    app.add_option("-u,--user", flags.user, "user, and group, that it runs as")
        ->type_name("USER[:GROUP]");
    app.add_option("-w,--workdir", flags.workdir, "working directory")->type_name("DIR");
    app.add_flag("--privileged", flags.privileged, "it may do whatever the daemon may");
    app.add_option("--detach-keys", flags.detach_keys, "keys that leave it (ctrl-p,ctrl-q)")
        ->type_name("KEYS");
    app.add_option("CONTAINER", flags.container, "name or ID")->required()->type_name("");
    app.add_option("COMMAND", flags.command, "the command and its arguments")
        ->required()
        ->type_name("");
    app.positionals_at_end();
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    if (!flags.detach) {
        check_terminal(flags.streams);
    }
    const Engine engine = invocation.engine();
    const json made =
        engine.post(path_of({"containers", flags.container, "exec"}), {}, exec_body(flags));
    const auto id = made.at("Id").get<std::string>();
    if (flags.detach) {
        engine.post(path_of({"exec", id, "start"}), {}, R"({"Detach":true})");
        return 0;
    }
    return exec_attached(engine, id, flags);
}

int run_attach(const Invocation& invocation) {
    CLI::App app("Our standard streams become those of a container that runs");
    prepare(app, invocation);
    std::string name;
    bool no_input = false;
    std::string detach_keys;
    bool pass_signals = true;
    app.add_flag("--no-stdin", no_input, "leave its standard input alone");
    app.add_flag("--sig-proxy,!--no-sig-proxy", pass_signals,
                 "pass the signals that we get on to it (=false: they are for us)");
    app.add_option("--detach-keys", detach_keys, "keys that leave it (ctrl-p,ctrl-q)")
        ->type_name("KEYS");
    app.add_option("CONTAINER", name, "name or ID")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const Engine engine = invocation.engine();
    const json container = engine.get(path_of({"containers", name, "json"}));
    if (!container.at("State").at("Running").get<bool>()) {
        throw InputError(
            fmt::format("container {} does not run; 'drydock start -a {}' starts it", name, name));
    }
    Foreground foreground = foreground_of(container);
    foreground.streams.interactive = foreground.streams.interactive && !no_input;
    foreground.detach_keys = detach_keys;
    foreground.pass_signals = pass_signals;
    foreground.running = true;
    check_terminal(foreground.streams);
    return run_in_foreground(engine, foreground);
}

}  // namespace drydock::cli
