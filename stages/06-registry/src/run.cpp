#include "06-registry/run.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "03-cgroups/runtime_process.hpp"
#include "05-images/base_image.hpp"
#include "05-images/image_store.hpp"
#include "05-images/runtime_config.hpp"
#include "06-registry/pull.hpp"
#include "06-registry/push.hpp"

namespace drydock::stage06 {
namespace {

volatile std::sig_atomic_t interrupted = 0;

/// While it lives, SIGINT and SIGTERM are noted, and the next progress line ends the transfer; a
/// second one kills.
class Interruptible {
  public:
    Interruptible() {
        struct sigaction note{};
        note.sa_handler = [](int number) { interrupted = number; };
        note.sa_flags = static_cast<int>(SA_RESETHAND);
        ::sigaction(SIGINT, &note, &interrupt_);
        ::sigaction(SIGTERM, &note, &terminate_);
    }
    ~Interruptible() {
        ::sigaction(SIGINT, &interrupt_, nullptr);
        ::sigaction(SIGTERM, &terminate_, nullptr);
    }
    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;
    Interruptible(Interruptible&&) = delete;
    Interruptible& operator=(Interruptible&&) = delete;

  private:
    struct sigaction interrupt_{};
    struct sigaction terminate_{};
};

void expect_no_interrupt() {
    if (const int number = interrupted; number != 0) {
        throw SetupError("interrupted", std::error_code(EINTR, std::system_category()),
                         128 + number);
    }
}

/// As docker prints it where stdout is no terminal: no bars.
void print(std::FILE* out, const Progress& progress) {
    expect_no_interrupt();
    if (progress.total != 0) {
        return;
    }
    fmt::print(out, "{}{}{}\n", progress.id, progress.id.empty() ? "" : ": ", progress.status);
    std::fflush(out);
}

/// Owns a container's bundle and snapshot.
class Container {
  public:
    Container(ImageStore& store, const Image& image, const ContainerOptions& options)
        : store_(&store),
          id_(new_container_id()),
          directory_(store.data_root() / "containers" / id_) {
        std::filesystem::create_directories(directory_.parent_path());
        make_bundle(store, image, options, directory_, id_);
    }
    ~Container() {
        try {
            remove_bundle(*store_, directory_, id_);
        } catch (const std::exception&) {  // best effort: it is not running any more
            return;
        }
    }
    Container(const Container&) = delete;
    Container& operator=(const Container&) = delete;
    Container(Container&&) = delete;
    Container& operator=(Container&&) = delete;

    [[nodiscard]] const std::string& id() const { return id_; }
    [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

  private:
    ImageStore* store_;
    std::string id_;
    std::filesystem::path directory_;
};

Image image_for(ImageStore& store, const Options& options) {
    if (auto image = store.find(options.image)) {
        return *image;
    }
    const Reference reference = parse_reference(options.image);
    if (is_base_image(reference)) {
        return ensure_base_image(store);
    }
    fmt::print(stderr, "Unable to find image '{}' locally\n", familiar(reference));
    // By its digest: what the tag says now may be another image already.
    return store.get(drydock::pull(store, reference, options.credentials,
                                   [](const Progress& progress) { print(stderr, progress); }));
}

}  // namespace

void pull(const Options& options) {
    const Interruptible interruptible;
    ImageStore store(options.data_root);
    const Reference reference = parse_reference(options.image);
    drydock::pull(store, reference, options.credentials,
                  [](const Progress& progress) { print(stdout, progress); });
    fmt::print("{}\n", to_string(reference));
}

void push(const Options& options) {
    const Interruptible interruptible;
    ImageStore store(options.data_root);
    drydock::push(store, parse_reference(options.image), options.credentials,
                  [](const Progress& progress) { print(stdout, progress); });
}

int run(const Options& options) {
    const Interruptible interruptible;
    ImageStore store(options.data_root);
    const Image image = image_for(store, options);
    ContainerOptions settings;
    if (!options.command.empty()) {
        settings.cmd = options.command;
    }
    const Container container(store, image, settings);
    expect_no_interrupt();
    return run_bundle({.bundle = container.directory(),
                       .id = container.id(),
                       .runtime_root = store.data_root() / "run",
                       .stdin_fd = 0});
}

}  // namespace drydock::stage06
