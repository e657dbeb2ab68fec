#include "05-images/run.hpp"

#include "01-chroot/signals.hpp"
#include "03-cgroups/runtime_process.hpp"
#include "05-images/base_image.hpp"

namespace drydock::stage05 {
namespace {

/// Owns the bundle of a container and its active snapshot.
class Container {
  public:
    Container(ImageStore& store, const Image& image, const ContainerOptions& options)
        : store_(store),
          id_(new_container_id()),
          bundle_(make_bundle(store, image, with_hostname(options, id_),
                              store.data_root() / "containers" / id_, id_)) {}
    ~Container() {
        try {
            remove_bundle(store_, bundle_.directory, id_);
        } catch (const std::exception&) {  // best effort
        }
    }
    Container(const Container&) = delete;
    Container& operator=(const Container&) = delete;
    Container(Container&&) = delete;
    Container& operator=(Container&&) = delete;

    [[nodiscard]] const std::string& id() const noexcept { return id_; }
    [[nodiscard]] const Bundle& bundle() const noexcept { return bundle_; }

  private:
    static ContainerOptions with_hostname(ContainerOptions options, const std::string& id) {
        if (options.hostname.empty()) {
            options.hostname = id.substr(0, 12);
        }
        return options;
    }

    ImageStore& store_;
    std::string id_;
    Bundle bundle_;
};

}  // namespace

Image image_for(ImageStore& store, const std::string& name) {
    if (auto image = store.find(name)) {
        return *std::move(image);
    }
    const auto looks_like_id = name.starts_with("sha256:");
    return !looks_like_id && is_base_image(parse_reference(name)) ? ensure_base_image(store)
                                                                  : store.get(name);
}

// [region: run-image]
int run(ImageStore& store, const Options& options) {
    // A signal of the terminal reaches the runtime too, which passes it on and waits; we only have
    // to tidy up.
    const BlockedSignals signals;
    const Container container(store, image_for(store, options.image), options.container);
    return run_bundle({.bundle = container.bundle().directory,
                       .id = container.id(),
                       .runtime_root = options.runtime_root.empty() ? store.data_root() / "runtime"
                                                                    : options.runtime_root,
                       .stdin_fd = 0,
                       .walk = options.walk});
}
// [/region]

}  // namespace drydock::stage05
