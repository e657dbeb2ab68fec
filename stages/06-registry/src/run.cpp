#include "06-registry/run.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "05-images/base_image.hpp"
#include "05-images/image_store.hpp"
#include "05-images/run.hpp"
#include "06-registry/progress_display.hpp"
#include "06-registry/pull.hpp"
#include "06-registry/push.hpp"
#include "06-registry/stored_credentials.hpp"

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
        check(::sigaction(SIGINT, &note, &interrupt_), "sigaction(SIGINT)");
        check(::sigaction(SIGTERM, &note, &terminate_), "sigaction(SIGTERM)");
    }
    ~Interruptible() {
        static_cast<void>(::sigaction(SIGINT, &interrupt_, nullptr));
        static_cast<void>(::sigaction(SIGTERM, &terminate_, nullptr));
    }
    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;
    Interruptible(Interruptible&&) = delete;
    Interruptible& operator=(Interruptible&&) = delete;

  private:
    struct sigaction interrupt_{};
    struct sigaction terminate_{};
};

/// Bars on a terminal; else as docker prints then, a line for each step; or JSON.
ProgressCallback printer(std::FILE* out, bool json) {
    const auto display =
        std::make_shared<ProgressDisplay>(::fileno(out), terminal_columns(::fileno(out)));
    const bool bars = !json && terminal_columns(::fileno(out)) != 0;
    return [out, json, bars, display](const Progress& progress) {
        if (const int number = interrupted; number != 0) {
            throw SetupError("interrupted", std::error_code(EINTR, std::system_category()),
                             128 + number);
        }
        if (bars) {
            display->show(progress);
        } else if (json) {
            fmt::print(out, "{}\n", progress_json(progress));
        } else if (progress.total == 0) {
            fmt::print(out, "{}{}{}\n", progress.id, progress.id.empty() ? "" : ": ",
                       progress.status);
        }
        static_cast<void>(std::fflush(out));
    };
}

/// Those of the command line, or else those of `docker login`.
Credentials credentials_for(const Options& options, const Reference& reference) {
    return options.credentials.anonymous() ? stored_credentials(reference.domain)
                                           : options.credentials;
}

TransferOptions transfer_options(const Options& options) {
    TransferOptions result{.at_once = options.at_once};
    if (options.explain) {
        result.explain = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
    }
    return result;
}

/// What stage 05 is to run: the user's name if it is here, else the digest of what was pulled,
/// since the tag may lead elsewhere by then.
std::string name_here(ImageStore& store, const Options& options) {
    if (store.find(options.image)) {
        return options.image;
    }
    const Reference reference = parse_reference(options.image);
    if (is_base_image(reference)) {
        return options.image;
    }
    const Interruptible interruptible;
    fmt::print(stderr, "Unable to find image '{}' locally\n", familiar(reference));
    return drydock::pull(store, reference, credentials_for(options, reference),
                         printer(stderr, false), transfer_options(options));
}

}  // namespace

void pull(const Options& options) {
    const Interruptible interruptible;
    ImageStore store(options.data_root);
    const Reference reference = parse_reference(options.image);
    drydock::pull(store, reference, credentials_for(options, reference),
                  printer(stdout, options.json), transfer_options(options));
    if (!options.json) {
        fmt::print("{}\n", to_string(reference));
    }
}

void push(const Options& options) {
    const Interruptible interruptible;
    ImageStore store(options.data_root);
    const Reference reference = parse_reference(options.image);
    drydock::push(store, reference, credentials_for(options, reference),
                  printer(stdout, options.json), transfer_options(options));
}

int run(const Options& options) {
    ImageStore store(options.data_root);
    stage05::Options start{.image = name_here(store, options), .walk = options.walk};
    if (!options.command.empty()) {
        start.container.cmd = options.command;
    }
    return stage05::run(store, start);
}

}  // namespace drydock::stage06
