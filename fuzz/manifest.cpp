// Manifests and indexes: one of them or none, and the same again when written out.
#include "05-images/manifest.hpp"

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"

#include "oracle.hpp"

namespace {

template <class Read>
auto attempt(const Read& read) -> std::optional<decltype(read())> {
    try {
        return read();
    } catch (const drydock::InputError&) {
        return std::nullopt;
    }
}

bool same(const drydock::oci::Descriptor& a, const drydock::oci::Descriptor& b) {
    return a.media_type == b.media_type && a.digest == b.digest && a.size == b.size &&
           a.annotations == b.annotations && a.platform == b.platform;
}

bool same(const std::vector<drydock::oci::Descriptor>& a,
          const std::vector<drydock::oci::Descriptor>& b) {
    bool equal = a.size() == b.size();
    for (std::size_t i = 0; equal && i < a.size(); ++i) {
        equal = same(a[i], b[i]);
    }
    return equal;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto manifest = attempt([&] { return drydock::parse_manifest(input, "", "fuzz"); });
    const auto index = attempt([&] { return drydock::parse_index(input, "", "fuzz"); });
    HOLDS(!(manifest && index));
    if (manifest) {
        const auto again = drydock::parse_manifest(drydock::to_text(*manifest), "", "again");
        HOLDS(same(again.config, manifest->config) && same(again.layers, manifest->layers));
        HOLDS(again.media_type == manifest->media_type &&
              again.annotations == manifest->annotations);
    }
    if (index) {
        const auto again = drydock::parse_index(drydock::to_text(*index), "", "again");
        HOLDS(same(again.manifests, index->manifests) && again.media_type == index->media_type);
    }
    return 0;
}
