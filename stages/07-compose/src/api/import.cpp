#include "api/import.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "04-layers/tar_reader.hpp"
#include "05-images/image_changes.hpp"
#include "05-images/manifest.hpp"
#include "05-images/reference.hpp"
#include "07-compose/engine/time_text.hpp"

#include "api/body_file.hpp"
#include "api/progress_stream.hpp"

namespace drydock::api {
namespace {

using nlohmann::json;

std::string layer_type_of(std::span<const std::byte> head) {
    const auto is = [&](std::size_t at, unsigned char value) {
        return head.size() > at && head[at] == std::byte{value};
    };
    if (is(0, 0x1f) && is(1, 0x8b)) {
        return std::string(media_type::kOciLayerGzip);
    }
    return std::string(is(0, 0x28) && is(1, 0xb5) && is(2, 0x2f) && is(3, 0xfd)
                           ? media_type::kOciLayerZstd
                           : media_type::kOciLayer);
}

struct ImportedLayer {
    oci::Descriptor descriptor{};
    Digest diff_id{};
};

/// The archive is read to its end before anything of it is kept: what is no archive is no layer.
ImportedLayer store_layer(const ContentStore& store, int archive) {
    ImportedLayer layer;
    {
        TarReader reader(archive, "the archive");
        while (reader.next() != nullptr) {
        }
        layer.diff_id = reader.finish();
    }
    check(::lseek(archive, 0, SEEK_SET), "lseek(archive, 0, SEEK_SET)");
    Ingest blob = store.begin();
    std::vector<std::byte> block(std::size_t{256} << 10U);
    while (const ssize_t got =
               check(::read(archive, block.data(), block.size()), "read(archive)")) {
        const std::span<const std::byte> bytes(block.data(), static_cast<std::size_t>(got));
        if (blob.size() == 0) {
            layer.descriptor.media_type = layer_type_of(bytes);
        }
        blob.write(bytes);
    }
    layer.descriptor.size = blob.size();
    layer.descriptor.digest = blob.commit();
    return layer;
}

/// "name" with "tag" beside it, or in it.
std::optional<Reference> wanted_name(Call& call) {
    std::string name = call.parameter("repo");
    if (const std::string tag = call.parameter("tag"); !name.empty() && !tag.empty()) {
        name += ":" + tag;
    }
    return name.empty() ? std::nullopt : std::optional(parse_reference(name));
}

std::string make_image(Call& call, int archive) {
    const auto name = wanted_name(call);
    const std::string message = call.parameter("message");
    oci::ImageConfig config{.created = to_text(now()), .platform = host_platform()};
    apply_changes(config.config, call.parameters("changes"));
    ImageStore& images = call.engine.images();
    const ImportedLayer layer = store_layer(images.content(), archive);
    config.diff_ids.push_back(layer.diff_id);
    config.history.push_back(
        {.created = config.created, .comment = message.empty() ? "Imported from -" : message});
    const Image image = images.put_image(config, {layer.descriptor}, name);
    call.engine.events().publish({.type = "image",
                                  .action = "import",
                                  .id = image.id.text(),
                                  .attributes = {{"name", image.id.text()}}});
    return image.id.text();
}

}  // namespace

void import_image(Call& call) {
    if (call.parameter("fromSrc") != "-") {
        throw NotImplemented(
            "import from a URL (fetch it first, and send it: curl URL | docker import -)");
    }
    const UniqueFd archive = body_in_file(call);
    const std::string id = make_image(call, archive.get());
    ProgressStream stream(call);
    stream.run([&] { stream.send({{"status", id}}); });
}

}  // namespace drydock::api
