#include "remote_commands.hpp"

#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/manifest.hpp"
#include "05-images/reference.hpp"
#include "06-registry/artifact.hpp"
#include "06-registry/copy_image.hpp"
#include "06-registry/login.hpp"
#include "06-registry/search.hpp"
#include "06-registry/stored_credentials.hpp"

#include "registry_client.hpp"

namespace drydock {
namespace {

/// What the command line says, for all of these.
struct RemoteOptions {
    std::string image{};
    std::string target{};
    std::string text{};  ///< type of an artifact, directory to pull to
    std::string subject{};
    std::vector<std::string> files{};
    std::vector<std::string> annotations{};
    bool flag = false;
    bool explain = false;
    Credentials credentials{};
};
using Shared = std::shared_ptr<RemoteOptions>;
using Command = std::function<int()>;

std::function<void(const std::string&)> listener(const RemoteOptions& options) {
    return options.explain ? [](const std::string& line) { fmt::print(stderr, "{}\n", line); }
                           : std::function<void(const std::string&)>{};
}

RegistryClient client_for(const RemoteOptions& options, const Reference& name) {
    RegistryClient client(name, stored_credentials(name.domain), "pull");
    client.explain(listener(options));
    return client;
}

std::string wanted(const Reference& name) {
    return name.digest ? name.digest->text() : name.tag;
}

int inspect_manifest(const RemoteOptions& options) {
    const Reference name = parse_reference(options.image);
    const auto document = client_for(options, name).manifest(wanted(name));
    if (options.flag) {
        fmt::print("{}", document.text);  // as it is: its digest is that of these bytes
    } else {
        fmt::print("{}\n", nlohmann::ordered_json::parse(document.text).dump(3));
    }
    return 0;
}

int list_tags(const RemoteOptions& options) {
    const Reference name = parse_reference(options.image);
    for (const std::string& tag : client_for(options, name).tags()) {
        fmt::print("{}\n", tag);
    }
    return 0;
}

int list_referrers(const RemoteOptions& options) {
    const Reference name = parse_reference(options.image);
    RegistryClient client = client_for(options, name);
    const Digest digest =
        name.digest ? *name.digest : client.manifest(name.tag, "its digest").digest;
    for (const Referrer& referrer : client.referrers(digest, options.text)) {
        fmt::print("{}  {}\n", referrer.manifest.digest.text(),
                   referrer.artifact_type.empty() ? "-" : referrer.artifact_type);
    }
    return 0;
}

int copy(const RemoteOptions& options) {
    const Reference from = parse_reference(options.image);
    const Reference to = parse_reference(options.target);
    const std::string digest = copy_image(
        {.name = from, .credentials = stored_credentials(from.domain)},
        {.name = to, .credentials = stored_credentials(to.domain)},
        {.all = options.flag, .explain = listener(options), .told = [](const std::string& line) {
             fmt::print("{}\n", line);
         }});
    fmt::print("Digest: {}\n", digest);
    return 0;
}

/// "FILE" or "FILE:MEDIA/TYPE".
ArtifactFile file_of(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    const bool typed = colon != std::string::npos && text.find('/', colon) != std::string::npos;
    return typed ? ArtifactFile{.path = text.substr(0, colon), .media_type = text.substr(colon + 1)}
                 : ArtifactFile{.path = text};
}

int send_artifact(const RemoteOptions& options) {
    const Reference name = parse_reference(options.image);
    ArtifactOptions artifact{.subject = options.subject, .explain = listener(options)};
    if (!options.text.empty()) {
        artifact.type = options.text;
    }
    for (const std::string& pair : options.annotations) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string::npos || equals == 0) {
            throw InputError(fmt::format("--annotation \"{}\": expected KEY=VALUE", pair));
        }
        artifact.annotations[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
    std::vector<ArtifactFile> files;
    for (const std::string& file : options.files) {
        files.push_back(file_of(file));
    }
    fmt::print("Digest: {}\n",
               push_artifact(name, files, stored_credentials(name.domain), artifact));
    return 0;
}

int fetch_artifact(const RemoteOptions& options) {
    const Reference name = parse_reference(options.image);
    for (const std::string& file :
         pull_artifact(name, options.text.empty() ? "." : options.text,
                       stored_credentials(name.domain), listener(options))) {
        fmt::print("{}\n", file);
    }
    return 0;
}

int keep_login(RemoteOptions& options) {
    const std::string domain = registry_domain(options.image);
    if (options.flag) {
        std::string password(std::istreambuf_iterator<char>(std::cin), {});
        options.credentials.password = password.substr(0, password.find_last_not_of("\r\n") + 1);
    } else {
        fmt::print(stderr,
                   "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
    }
    if (options.credentials.password.empty()) {
        throw InputError("login: expected a password: --password-stdin, or -p");
    }
    const auto file = store_credentials(domain, log_in(domain, options.credentials));
    if (!file.empty()) {
        fmt::print(stderr,
                   "WARNING! Your password will be stored unencrypted in {}.\n"
                   "Configure a credential helper to remove this warning.\n",
                   file.native());
    }
    fmt::print("Login Succeeded\n");
    return 0;
}

int forget_login(const RemoteOptions& options) {
    const std::string domain = registry_domain(options.image);
    fmt::print("{}\n", erase_credentials(domain) ? "Removing login credentials for " + domain
                                                 : "Not logged in to " + domain);
    return 0;
}

int search(const RemoteOptions& options) {
    const std::string domain = registry_of_image(options.image);
    const std::string term =
        domain == "docker.io" ? options.image : options.image.substr(options.image.find('/') + 1);
    constexpr std::size_t kMostShown = 100;
    for (const FoundRepository& found :
         search_registry(domain, term, kMostShown, stored_credentials(domain))) {
        fmt::print("{}{}{}\n", found.name, found.description.empty() ? "" : "  ",
                   found.description);
    }
    return 0;
}

CLI::App* add(CLI::App& app, const char* name, const char* help, const Shared& options,
              Command& command, int (*run)(const RemoteOptions&)) {
    CLI::App* verb = app.add_subcommand(name, help);
    verb->add_option("IMAGE", options->image, "[HOST[:PORT]/]NAME[:TAG][@DIGEST]")
        ->required()
        ->type_name("");
    verb->add_flag("--explain", options->explain,
                   "print each request on stderr, and why it is made");
    verb->callback(
        [&command, options, run] { command = [options, run] { return run(*options); }; });
    return verb;
}

void add_login_commands(CLI::App& app, Command& command, const Shared& options) {
    CLI::App* login = app.add_subcommand("login", "log in to a registry, and keep the credentials");
    login->add_option("-u,--username", options->credentials.user, "who")->required();
    CLI::Option* password = login->add_option("-p,--password", options->credentials.password,
                                              "others on this machine can read it");
    login->add_flag("--password-stdin", options->flag, "read it from standard input")
        ->excludes(password);
    login->add_option("SERVER", options->image, "HOST[:PORT] (docker.io)")->type_name("");
    login->callback([&command, options] { command = [options] { return keep_login(*options); }; });
    CLI::App* logout = app.add_subcommand("logout", "forget the credentials for a registry");
    logout->add_option("SERVER", options->image, "HOST[:PORT] (docker.io)")->type_name("");
    logout->callback(
        [&command, options] { command = [options] { return forget_login(*options); }; });
}

void add_artifact_commands(CLI::App& app, Command& command, const Shared& options) {
    CLI::App* artifact = app.add_subcommand("artifact", "any file, kept by a registry");
    artifact->require_subcommand(1);
    CLI::App* push = add(*artifact, "push", "put files there", options, command, send_artifact);
    push->add_option("FILE", options->files, "FILE[:MEDIA/TYPE]")->type_name("");
    push->add_option("--artifact-type", options->text, "what it is, as a media type");
    push->add_option("--subject", options->subject,
                     "tag or digest, in the same repository, of what it is about");
    push->add_option("--annotation", options->annotations, "KEY=VALUE")->allow_extra_args(false);
    CLI::App* pull = add(*artifact, "pull", "get its files", options, command, fetch_artifact);
    pull->add_option("-o,--output", options->text, "the directory for them (.)");
}

}  // namespace

void add_remote_commands(CLI::App& app, std::function<int()>& command) {
    const auto options = std::make_shared<RemoteOptions>();
    add_login_commands(app, command, options);
    add(app, "search", "look for images in a registry", options, command, search);
    CLI::App* manifest = app.add_subcommand("manifest", "manifests in a registry");
    manifest->require_subcommand(1);
    add(*manifest, "inspect", "print one", options, command, inspect_manifest)
        ->add_flag("--raw", options->flag, "byte for byte");
    add(app, "tags", "list the tags of a repository", options, command, list_tags);
    add(app, "referrers", "list what refers to an image", options, command, list_referrers)
        ->add_option("--artifact-type", options->text, "only those of this type");
    CLI::App* copying =
        add(app, "copy", "bring an image from registry to registry", options, command, copy);
    copying->add_option("TARGET", options->target, "where to")->required()->type_name("");
    copying->add_flag("--all", options->flag, "every platform, not only the one of this machine");
    add_artifact_commands(app, command, options);
}

}  // namespace drydock
