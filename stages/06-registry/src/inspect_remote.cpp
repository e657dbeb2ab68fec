#include "06-registry/inspect_remote.hpp"

#include <string>
#include <string_view>

#include "01-chroot/error.hpp"
#include "05-images/image_config.hpp"
#include "05-images/manifest.hpp"

#include "registry_client.hpp"

namespace drydock {

RemoteImage inspect_remote(const Reference& name, const Credentials& credentials) {
    constexpr std::size_t kMostConfig = std::size_t{4} << 20U;
    RegistryClient client(name, credentials, "pull");
    const auto document = client.manifest(name.digest ? name.digest->text() : name.tag);
    RemoteImage image{.manifest = {.media_type = document.media_type,
                                   .digest = document.digest,
                                   .size = document.text.size()}};
    if (looks_like_index(document.text, "manifest")) {
        for (const oci::Descriptor& entry :
             parse_index(document.text, document.media_type, "index").manifests) {
            if (entry.platform) {
                image.platforms.push_back(*entry.platform);
            }
        }
        return image;
    }
    const oci::Descriptor config =
        parse_manifest(document.text, document.media_type, document.digest.text()).config;
    std::string text;
    client.read_blob(config, "the configuration, which names the platform",
                     [&](std::string_view bytes) {
                         if (text.size() + bytes.size() > kMostConfig) {
                             throw InputError("the configuration is larger than 4 MiB");
                         }
                         text += bytes;
                     });
    image.platforms.push_back(parse_image_config(text, config.digest.text()).platform);
    return image;
}

}  // namespace drydock
