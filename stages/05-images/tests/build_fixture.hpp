#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "05-images/builder.hpp"
#include "05-images/layer_view.hpp"
#include "05-images/runtime_config.hpp"

#include "testing/program.hpp"

#include "store_fixture.hpp"

namespace drydock::testing {

/// A store, a context directory, and what a build said.
struct BuildFixture : StoreFixture {
    std::filesystem::path context = directory.path() / "context";
    BuildRequest request{};
    std::string output{};

    BuildFixture() {
        std::filesystem::create_directories(context);
        request.context = context;
        // The runtime is a program of its own, beside the other programs of this build.
        ::setenv("DRYDOCK_PROGRAMS", program_path(".").c_str(),
                 1);  // NOLINT(concurrency-mt-unsafe)
    }

    Image build(const std::string& dockerfile) {
        request.dockerfile_text = dockerfile;
        output.clear();
        return build_image(store, request, [this](const BuildEvent& event) {
            output +=
                event.kind == BuildEvent::Kind::Stream ? event.text : "aux " + event.text + "\n";
        });
    }
    [[nodiscard]] LayerView view(const Image& image) {
        return LayerView(layer_directories(store, store.unpack(image)));
    }
    [[nodiscard]] std::string read(const Image& image, const std::string& path) {
        return view(image).read_file(path, 65536).value_or("(not there)");
    }
    [[nodiscard]] std::size_t count(const std::string& text) const {
        std::size_t n = 0;
        for (std::size_t at = output.find(text); at != std::string::npos;
             at = output.find(text, at + 1)) {
            ++n;
        }
        return n;
    }
};

}  // namespace drydock::testing
