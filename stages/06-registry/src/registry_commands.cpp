#include "registry_commands.hpp"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>

#include <CLI/Validators.hpp>

#include "01-chroot/command_line.hpp"
#include "06-registry/run.hpp"
#include "06-registry/serve.hpp"

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

void add_serve_command(CLI::App& app, std::function<int()>& command) {
    const auto options = std::make_shared<ServeOptions>();
    CLI::App* serve =
        app.add_subcommand("serve", "serve a registry from a directory, until SIGINT or SIGTERM");
    serve
        ->add_option("--listen", options->listen,
                     "ADDRESS:PORT (port 0: a free one) or unix:///PATH")
        ->capture_default_str();
    serve->add_option("--root", options->registry.root, "the directory")
        ->required()
        ->type_name("DIR");
    serve
        ->add_option("--htpasswd", options->registry.htpasswd,
                     "who may come in: lines as `htpasswd -B` writes them")
        ->type_name("FILE");
    serve->add_flag("--read-only", options->registry.read_only, "nothing can be pushed or deleted");
    CLI::Option* certificate = serve
                                   ->add_option("--tls-cert", options->tls_certificate,
                                                "speak TLS only, with this certificate (PEM)")
                                   ->type_name("FILE");
    serve->add_option("--tls-key", options->tls_key, "the certificate's key (PEM)")
        ->type_name("FILE");
    serve
        ->add_option_function<std::string>(
            "--tls", [options](const std::string&) { options->tls_self_signed = true; },
            "self-signed: speak TLS with a certificate made in DIR/tls")
        ->check(CLI::IsMember({"self-signed"}))
        ->excludes(certificate)
        ->type_name("HOW");
    serve
        ->add_option("--request-log", options->request_log,
                     "a JSON line for each request; - is stderr")
        ->type_name("FILE");
    serve->add_flag("--insecure-any-address", options->insecure_any_address,
                    "listen where others can reach it although nobody has to log in");
    serve->callback([&command, options] {
        command = [options] {
            serve_registry(*options, [](const std::string& address) {
                std::cout << "listening on " << address << std::endl;
            });
            return 0;
        };
    });
}

}  // namespace

void add_registry_commands(CLI::App& app, std::function<int()>& command) {
    add_serve_command(app, command);
    const auto options = std::make_shared<Options>(Options{.data_root = data_root()});
    add_image_command(app, "pull", "bring an image here", options)->callback([&command, options] {
        command = [options] {
            stage06::pull(*options);
            return 0;
        };
    });
    add_image_command(app, "push", "bring an image to its registry", options)
        ->callback([&command, options] {
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
    run->callback([&command, options] { command = [options] { return stage06::run(*options); }; });
}

}  // namespace drydock
