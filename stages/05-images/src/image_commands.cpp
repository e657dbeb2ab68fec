#include "image_commands.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>

#include <CLI/Validators.hpp>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/signals.hpp"
#include "01-chroot/walk.hpp"
#include "03-cgroups/limits.hpp"
#include "05-images/archive.hpp"
#include "05-images/base_image.hpp"
#include "05-images/build_secret.hpp"
#include "05-images/builder.hpp"
#include "05-images/image_fsck.hpp"
#include "05-images/image_garbage.hpp"
#include "05-images/image_text.hpp"
#include "05-images/run.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

/// "K=V" into the map; "K" takes its value from our own environment.
void add_pair(std::map<std::string, std::optional<std::string>>& pairs, const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) {
        pairs[text.substr(0, equals)] = text.substr(equals + 1);
        return;
    }
    const char* value = std::getenv(text.c_str());  // NOLINT(concurrency-mt-unsafe)
    pairs[text] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

bool interrupted() {
    sigset_t pending{};
    ::sigpending(&pending);
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
           sigismember(&pending, SIGHUP) == 1;
}

struct BuildFlags {
    BuildRequest request{};
    std::string dockerfile{};
    std::vector<std::string> build_args{};
    std::vector<std::string> labels{};
    std::vector<std::string> secrets{};
    std::vector<std::string> ssh{};
    std::string explain{};
    bool check = false;
};

int build(ImageStore& store, BuildFlags& flags) {
    BuildRequest& request = flags.request;
    for (const std::string& text : flags.build_args) {
        add_pair(request.build_args, text);
    }
    for (const std::string& text : flags.labels) {
        const std::size_t equals = text.find('=');
        request.labels[text.substr(0, equals)] =
            equals == std::string::npos ? "" : text.substr(equals + 1);
    }
    for (const std::string& text : flags.secrets) {
        request.secrets.insert(read_build_secret(text));
    }
    if (!flags.ssh.empty()) {
        throw NotImplemented(
            "build --ssh: a RUN that speaks with the agent of ssh; "
            "RUN --mount=type=secret takes a key by --secret id=ID,src=FILE");
    }
    request.explain_cache = flags.explain == "cache";
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH"); epoch != nullptr) {
        request.build_args.emplace("SOURCE_DATE_EPOCH", epoch);
    }
    if (request.context == "-") {
        request.context.clear();
        request.context_tar = 0;
    }
    if (!flags.dockerfile.empty()) {
        // As docker does it: seen from here, not from the context.
        request.dockerfile = fs::path(flags.dockerfile).filename().native();
        request.dockerfile_text = read_file(flags.dockerfile, std::size_t{1} << 20U);
    }
    if (flags.check) {
        const DockerfileCheck check = check_build(store, request);
        std::cout << check_text(check, request.dockerfile);
        return check.warnings.empty() ? 0 : 1;  // as docker does
    }
    // Ctrl-C stays pending: the build asks for it between and during steps, and unwinds.
    const BlockedSignals signals;
    request.cancelled = interrupted;
    build_image(store, request, [](const BuildEvent& event) {
        if (event.kind == BuildEvent::Kind::Stream) {
            std::cout << event.text << std::flush;
        }
    });
    return 0;
}

void add_build(CLI::App& app, ImageCommand& command) {
    CLI::App* build_app = app.add_subcommand("build", "build an image from a Dockerfile");
    auto flags = std::make_shared<BuildFlags>();
    build_app->add_option("-t,--tag", flags->request.tags, "name of the image")
        ->type_name("NAME")
        ->allow_extra_args(false);
    build_app
        ->add_option("-f,--file", flags->dockerfile, "Dockerfile (default: CONTEXT/Dockerfile)")
        ->type_name("FILE");
    build_app->add_option("--build-arg", flags->build_args, "a value for an ARG")
        ->type_name("K=V")
        ->allow_extra_args(false);
    build_app->add_option("--label", flags->labels, "a label of the image")
        ->type_name("K=V")
        ->allow_extra_args(false);
    build_app->add_option("--target", flags->request.target, "the stage to stop at")
        ->type_name("STAGE");
    build_app->add_option("--network", flags->request.network, "of RUN: none or host")
        ->check(CLI::IsMember({"none", "default", "host"}));
    build_app->add_flag("--no-cache", flags->request.no_cache, "run every step");
    build_app
        ->add_option("--secret", flags->secrets,
                     "for RUN --mount=type=secret: id=ID,src=FILE or id=ID,env=NAME")
        ->type_name("SECRET")
        ->allow_extra_args(false);
    build_app->add_option("--ssh", flags->ssh, "not implemented")
        ->type_name("AGENT")
        ->allow_extra_args(false);
    build_app->add_option("--explain", flags->explain, "cache: why a step was not taken over")
        ->check(CLI::IsMember({"cache"}))
        ->type_name("WHAT");
    build_app->add_flag("--check", flags->check,
                        "say what is odd in the Dockerfile, build nothing");
    build_app
        ->add_option("CONTEXT", flags->request.context, "directory, or - for a tar stream on stdin")
        ->required();
    build_app->callback([flags, &command] {
        command = [flags](ImageStore& store) { return build(store, *flags); };
    });
}

void add_names(CLI::App& app, ImageCommand& command) {
    app.add_subcommand("images", "list images")->callback([&command] {
        command = [](ImageStore& store) {
            std::cout << images_table(store);
            return 0;
        };
    });

    CLI::App* tag = app.add_subcommand("tag", "give an image one more name");
    auto names = std::make_shared<std::vector<std::string>>();
    tag->add_option("NAMES", *names, "IMAGE NAME")->expected(2)->required()->type_name("");
    tag->callback([names, &command] {
        command = [names](ImageStore& store) {
            store.tag(stage05::image_for(store, names->at(0)), parse_reference(names->at(1)));
            return 0;
        };
    });

    CLI::App* rmi = app.add_subcommand("rmi", "take names away, and images with their last name");
    auto removed = std::make_shared<std::vector<std::string>>();
    auto force = std::make_shared<bool>(false);
    rmi->add_flag("-f,--force", *force, "also an ID with several names");
    rmi->add_option("IMAGES", *removed, "names or IDs")->required()->type_name("IMAGE");
    rmi->callback([removed, force, &command] {
        command = [removed, force](ImageStore& store) {
            for (const std::string& name : *removed) {
                const Removal removal = store.remove_by_name(name, *force);
                for (const std::string& untagged : removal.untagged) {
                    std::cout << "Untagged: " << untagged << "\n";
                }
                for (const Digest& deleted : removal.deleted) {
                    std::cout << "Deleted: " << deleted.text() << "\n";
                }
            }
            return 0;
        };
    });
}

void add_prune(CLI::App& app, ImageCommand& command) {
    CLI::App* prune = app.add_subcommand("prune", "remove blobs and layers that nothing needs");
    auto options = std::make_shared<GarbageOptions>();
    prune->add_flag("--build-cache", options->build_cache,
                    "also forget the steps of earlier builds, and caches of RUN");
    prune->callback([options, &command] {
        command = [options](ImageStore& store) {
            const Garbage garbage = collect_garbage(store, *options);
            std::cout << "Removed " << garbage.blobs.size() << " blobs, " << garbage.layers.size()
                      << " layers and " << garbage.steps << " build steps: " << garbage.bytes
                      << " bytes\n";
            return 0;
        };
    });
}

void add_fsck(CLI::App& app, ImageCommand& command) {
    CLI::App* fsck = app.add_subcommand("fsck", "look for what is broken in the store");
    auto options = std::make_shared<FsckOptions>();
    fsck->add_flag("--repair", options->repair, "put what is broken into DATA_ROOT/quarantine");
    fsck->callback([options, &command] {
        command = [options](ImageStore& store) {
            const FsckReport report = check_store(store, *options);
            std::cout << fsck_text(report);
            return report.faults.empty() ? 0 : 1;
        };
    });
}

void add_views(CLI::App& app, ImageCommand& command) {
    const auto add = [&](const char* verb, const char* what,
                         std::string (*text)(const ImageStore&, const Image&)) {
        CLI::App* sub = app.add_subcommand(verb, what);
        auto name = std::make_shared<std::string>();
        sub->add_option("IMAGE", *name, "name or ID")->required()->type_name("");
        sub->callback([name, text, &command] {
            command = [name, text](ImageStore& store) {
                std::cout << text(store, stage05::image_for(store, *name));
                return 0;
            };
        });
    };
    add("inspect", "show what an image is, as JSON", &inspect_text);
    add("history", "show how an image came to be", &history_table);
}

/// A new file that is gone again unless `write` comes to its end.
void write_new_file(const fs::path& path, const std::function<void(int)>& write) {
    const BlockedSignals signals;  // Ctrl-C: no half file
    const fs::path temporary = path.native() + ".part";
    UniqueFd fd = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
    try {
        write(fd.get());
        fd.close();
        if (!interrupted()) {
            fs::rename(temporary, path);
            return;
        }
        static_cast<void>(::unlink(temporary.c_str()));
    } catch (...) {
        static_cast<void>(::unlink(temporary.c_str()));
        throw;
    }
}

void add_archives(CLI::App& app, ImageCommand& command) {
    CLI::App* save = app.add_subcommand("save", "write images into an archive");
    auto output = std::make_shared<std::string>();
    auto names = std::make_shared<std::vector<std::string>>();
    save->add_option("-o,--output", *output, "the archive (default: stdout)")->type_name("FILE");
    save->add_option("IMAGES", *names, "names or IDs")->required()->type_name("IMAGE");
    save->callback([output, names, &command] {
        command = [output, names](ImageStore& store) {
            for (const std::string& name : *names) {
                static_cast<void>(stage05::image_for(store, name));  // before a file is made
            }
            if (output->empty()) {
                if (::isatty(1) == 1) {
                    throw InputError(
                        "save: stdout is a terminal; name a file with -o, or redirect it");
                }
                save_images(store, *names, 1);
            } else {
                write_new_file(*output, [&](int fd) { save_images(store, *names, fd); });
            }
            return 0;
        };
    });

    CLI::App* load = app.add_subcommand("load", "read images from an archive");
    auto input = std::make_shared<std::string>();
    load->add_option("-i,--input", *input, "the archive (default: stdin)")->type_name("FILE");
    load->callback([input, &command] {
        command = [input](ImageStore& store) {
            const UniqueFd file = input->empty() ? UniqueFd() : open_file(*input, O_RDONLY);
            const std::string name = input->empty() ? "stdin" : *input;
            // Ctrl-C waits until the store is in order again; a pipe may never end, so there it
            // does not.
            std::optional<BlockedSignals> signals;
            if (file) {
                signals.emplace();
            }
            for (const LoadedImage& loaded :
                 load_images(store, input->empty() ? 0 : file.get(), name)) {
                std::cout << (loaded.name ? "Loaded image: " + familiar(*loaded.name)
                                          : "Loaded image ID: " + loaded.image.id.text())
                          << "\n";
            }
            return 0;
        };
    });
}

struct RunFlags {
    stage05::Options options{};
    std::string entrypoint{};
    std::string memory{};
    std::string cpus{};
    std::int64_t pids = 0;
    std::string network{};
    std::vector<std::string> words{};
};

int run_image(ImageStore& store, RunFlags& flags) {
    ContainerOptions& container = flags.options.container;
    flags.options.image = flags.words.front();
    if (flags.words.size() > 1) {
        container.cmd = std::vector<std::string>(flags.words.begin() + 1, flags.words.end());
    }
    if (!flags.entrypoint.empty()) {
        container.entrypoint = std::vector<std::string>{flags.entrypoint};
    }
    if (!flags.memory.empty()) {
        container.limits.memory_bytes = parse_size(flags.memory, "--memory");
    }
    if (!flags.cpus.empty()) {
        container.limits.nano_cpus = parse_cpus(flags.cpus, "--cpus");
    }
    if (flags.pids > 0) {
        container.limits.pids = flags.pids;
    }
    if (flags.network == "host") {
        container.network_namespace = "host";
    }
    return stage05::run(store, flags.options);
}

void add_run(CLI::App& app, ImageCommand& command) {
    CLI::App* run = app.add_subcommand("run", "run a command in a new container of an image");
    auto flags = std::make_shared<RunFlags>();
    ContainerOptions& container = flags->options.container;
    run->add_option("-e,--env", container.env, "a variable")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    run->add_option("-w,--workdir", container.workdir, "working directory")->type_name("DIR");
    run->add_option("-u,--user", container.user, "user[:group], names of the image or numbers")
        ->type_name("USER");
    run->add_option("--hostname", container.hostname, "host name")->type_name("NAME");
    run->add_option("--entrypoint", flags->entrypoint, "instead of the image's")
        ->type_name("PROGRAM");
    run->add_option("-m,--memory", flags->memory, "at most so much memory: 64m, 1g")
        ->type_name("SIZE");
    run->add_option("--cpus", flags->cpus, "at most so much CPU time: 0.5, 2")->type_name("N");
    run->add_option("--pids-limit", flags->pids, "at most so many processes")->type_name("N");
    run->add_option("--network", flags->network, "none or host")
        ->check(CLI::IsMember({"none", "host"}));
    run->add_flag("--read-only", container.readonly_rootfs,
                  "the root file system cannot be written");
    run->add_flag("--explain", flags->options.walk.explain,
                  "print each step and its system calls, to stderr");
    run->add_option("--without", flags->options.walk.without, "leave out a step")
        ->type_name("STEP")
        ->allow_extra_args(false);
    run->add_option("IMAGE", flags->words, "the image, then the command")
        ->required()
        ->type_name("[COMMAND...]");
    run->positionals_at_end();
    run->fallthrough(false);  // what stands behind IMAGE is the command's
    run->callback([flags, &command] {
        command = [flags](ImageStore& store) { return run_image(store, *flags); };
    });
}

}  // namespace

void add_image_commands(CLI::App& app, ImageCommand& command) {
    add_build(app, command);
    add_names(app, command);
    add_views(app, command);
    add_prune(app, command);
    add_fsck(app, command);
    add_archives(app, command);
    add_run(app, command);
}

fs::path default_data_root() {
    if (::geteuid() == 0) {
        return "/var/lib/drydock";
    }
    const char* data = std::getenv("XDG_DATA_HOME");  // NOLINT(concurrency-mt-unsafe)
    const char* home = std::getenv("HOME");           // NOLINT(concurrency-mt-unsafe)
    return data != nullptr && *data != '\0'
               ? fs::path(data) / "drydock"
               : fs::path(home == nullptr ? "/" : home) / ".local/share/drydock";
}

}  // namespace drydock
