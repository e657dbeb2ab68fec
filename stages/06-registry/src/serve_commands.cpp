#include "serve_commands.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>

#include <CLI/Validators.hpp>
#include <fmt/format.h>

#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "06-registry/serve.hpp"

namespace drydock {
namespace {

/// "90s", "15m", "24h", "7d"; a number alone is seconds.
CLI::Option* add_duration(CLI::App& command, const std::string& name, std::chrono::seconds& value,
                          const std::string& help) {
    static const std::map<std::string, std::int64_t> kUnits = {
        {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    return command
        .add_option_function<std::int64_t>(
            name, [&value](const std::int64_t& seconds) { value = std::chrono::seconds(seconds); },
            help)
        ->transform(CLI::AsNumberWithUnit(kUnits, CLI::AsNumberWithUnit::CASE_SENSITIVE))
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{86400} * 36500))
        ->type_name("DURATION");
}

void add_garbage_flags(CLI::App& command, RegistryGarbageOptions& options) {
    add_duration(command, "--grace", options.grace,
                 "what was pushed or asked for so lately is never collected [24h]");
    add_duration(command, "--stale-uploads", options.stale_uploads,
                 "uploads that got nothing for so long are forgotten [7d]");
}

void add_gc_command(CLI::App& app, std::function<int()>& command) {
    struct GcOptions {
        RegistryOptions registry{};
        RegistryGarbageOptions garbage{};
    };
    const auto options = std::make_shared<GcOptions>();
    CLI::App* gc = app.add_subcommand(
        "gc", "remove what no manifest of a registry needs, while nobody serves it");
    gc->add_option("--root", options->registry.root, "the registry's directory")
        ->required()
        ->check(CLI::ExistingDirectory)
        ->type_name("DIR");
    add_garbage_flags(*gc, options->garbage);
    gc->callback([&command, options] {
        command = [options] {
            if (!std::filesystem::is_directory(options->registry.root / "repositories")) {
                throw InputError(fmt::format("--root {}: no registry was ever served from there",
                                             options->registry.root.native()));
            }
            Registry registry(options->registry);
            const RegistryGarbage garbage = registry.collect(options->garbage);
            for (const std::string& damaged : garbage.damaged) {
                std::cerr << "drydock-06: left as it is: " << damaged << '\n';
            }
            std::cout << to_string(garbage) << std::endl;
            return garbage.damaged.empty() ? 0 : 1;
        };
    });
}

void add_access_flags(CLI::App& serve, RegistryOptions& options) {
    serve
        .add_option("--access", options.access,
                    "what each of them may do: lines USER REPOSITORIES pull,push,delete")
        ->type_name("FILE");
    TokenOptions& tokens = options.tokens;
    serve.add_flag("--token-auth", tokens.own,
                   "let them in by Bearer tokens, which GET /token gives them for a password");
    serve
        .add_option("--token-key", tokens.key,
                    "let in who has a token of another issuer, whose public key (PEM) this is")
        ->type_name("FILE");
    serve.add_option("--token-realm", tokens.realm, "where its tokens are had")->type_name("URL");
    serve.add_option("--token-issuer", tokens.issuer, "the \"iss\" of every token")
        ->capture_default_str()
        ->type_name("NAME");
    serve
        .add_option("--token-service", tokens.service, "the \"aud\" of every token: this registry")
        ->capture_default_str()
        ->type_name("NAME");
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
    add_access_flags(*serve, options->registry);
    serve->add_flag("--read-only", options->registry.read_only, "nothing can be pushed or deleted");
    serve
        ->add_option("--mirror-of", options->registry.mirror_of,
                     "have what another registry has, fetched when it is asked for")
        ->type_name("HOST[:PORT]");
    serve
        ->add_option("--mirror-size", options->registry.mirror_size,
                     "bytes of it that are kept, those asked for last [10GB]")
        ->transform(CLI::AsSizeValue(false))
        ->type_name("BYTES");
    add_duration(*serve, "--gc-interval", options->gc_interval,
                 "how often what no manifest needs is removed; 0: only at SIGUSR1 [24h]");
    add_garbage_flags(*serve, options->garbage);
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
    serve
        ->add_option(
            "--fault", options->registry.faults,
            "do wrong on purpose, to see how clients bear it: flip=N, cut=N, stall=N (byte "
            "N of a blob), status=N, ignore-range; then ,times=K and ,for=TEXT of the "
            "request; may be given again")
        ->take_all()
        ->type_name("FAULT");
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

void add_serve_commands(CLI::App& app, std::function<int()>& command) {
    add_serve_command(app, command);
    add_gc_command(app, command);
}

}  // namespace drydock
