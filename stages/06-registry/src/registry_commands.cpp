#include "registry_commands.hpp"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>

#include "01-chroot/command_line.hpp"
#include "06-registry/run.hpp"

#include "remote_commands.hpp"
#include "serve_commands.hpp"

namespace drydock {
namespace {

using stage06::Options;

std::string data_root() {
    if (::geteuid() == 0) {
        return "/var/lib/drydock";
    }
    const char* data =
        std::getenv("XDG_DATA_HOME");        // NOLINT(concurrency-mt-unsafe): no threads yet
    const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
    return (data != nullptr ? data : std::string(home != nullptr ? home : "") + "/.local/share") +
           "/drydock";
}

CLI::App* add_image_command(CLI::App& app, const std::string& name, const std::string& help,
                            const std::shared_ptr<Options>& options) {
    CLI::App* command = app.add_subcommand(name, help);
    command->add_option("--data-root", options->data_root, "where images are kept")
        ->type_name("DIR")
        ->capture_default_str();
    CLI::Option* user =
        command->add_option("--user", options->credentials.user, "who logs in to the registry");
    command
        ->add_flag_function(
            "--password-stdin",
            [options](std::int64_t) { std::getline(std::cin, options->credentials.password); },
            "read the password from the first line of standard input")
        ->needs(user);
    command->add_option("IMAGE", options->image, "[HOST[:PORT]/]NAME[:TAG][@DIGEST]")
        ->required()
        ->type_name("");
    return command;
}

void add_transfer_flags(CLI::App& command, const std::string& at_once, Options& options) {
    constexpr unsigned kMost = 1000;
    command
        .add_option(at_once, options.at_once,
                    "layers under way at the same time (daemon.json, or else docker's number)")
        ->check(CLI::Range(1U, kMost))
        ->type_name("N");
    command.add_flag("--json", options.json, "how it goes on as lines of JSON");
    command.add_flag("--explain", options.explain,
                     "print each request on stderr, and why it is made");
}

}  // namespace

void add_registry_commands(CLI::App& app, std::function<int()>& command) {
    add_serve_commands(app, command);
    const auto options = std::make_shared<Options>(Options{.data_root = data_root()});
    CLI::App* pull = add_image_command(app, "pull", "bring an image here", options);
    add_transfer_flags(*pull, "--max-concurrent-downloads", *options);
    pull->callback([&command, options] {
        command = [options] {
            stage06::pull(*options);
            return 0;
        };
    });
    CLI::App* push = add_image_command(app, "push", "bring an image to its registry", options);
    add_transfer_flags(*push, "--max-concurrent-uploads", *options);
    push->callback([&command, options] {
        command = [options] {
            stage06::push(*options);
            return 0;
        };
    });
    CLI::App* run = add_image_command(
        app, "run", "run COMMAND in a container of an image, pulled if need be", options);
    add_walk_flags(*run, options->walk);
    run->add_option("COMMAND", options->command, "instead of the image's")->type_name("");
    run->positionals_at_end();
    add_remote_commands(app, command);
    run->callback([&command, options] { command = [options] { return stage06::run(*options); }; });
}

}  // namespace drydock
