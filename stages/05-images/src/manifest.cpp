#include "05-images/manifest.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/error.hpp"
#include "05-images/strict_json.hpp"

namespace drydock {
namespace {

using nlohmann::json;

json parse_bounded(std::string_view text, std::string_view name) {
    if (text.size() > kMaxManifestSize) {
        throw InputError(fmt::format("{}: larger than {} bytes", name, kMaxManifestSize));
    }
    return parse_strict_json(text, name);
}

/// The one media type that the document and what was said about it agree on.
std::string agreed_type(const JsonPlace& document, std::string_view announced,
                        std::string_view by_default) {
    const std::string own = document.string("mediaType");
    if (!own.empty() && !announced.empty() && own != announced) {
        document.refuse(fmt::format("mediaType is \"{}\", but the document was announced as \"{}\"",
                                    own, announced));
    }
    if (!own.empty()) {
        return own;
    }
    return std::string(announced.empty() ? by_default : announced);
}

void check_version(const JsonPlace& document) {
    if (document.at("schemaVersion").unsigned_number() != 2) {
        document.at("schemaVersion").refuse("expected 2; version 1 is not supported");
    }
}

/// One document may not be a manifest to one reader and an index to another (CVE-2021-41190).
void refuse_other_kind(const JsonPlace& document, std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
        if (document.value().contains(key)) {
            document.refuse(fmt::format(
                "\"{}\" does not belong here: ambiguous between manifest and index", key));
        }
    }
}

}  // namespace

// [region: parse-manifest]
oci::Manifest parse_manifest(std::string_view text, std::string_view type, std::string_view name) {
    const json parsed = parse_bounded(text, name);
    const JsonPlace document(parsed, name);
    document.expect_object();
    refuse_other_kind(document, {"manifests", "fsLayers"});
    check_version(document);
    oci::Manifest result;
    result.media_type = agreed_type(document, type, media_type::kOciManifest);
    if (!media_type::is_manifest(result.media_type)) {
        document.refuse(fmt::format("mediaType \"{}\" is no image manifest", result.media_type));
    }
    result.config = read_descriptor(document.at("config"));
    static_cast<void>(document.at("layers"));
    for (const JsonPlace& layer : document.elements("layers")) {
        result.layers.push_back(read_descriptor(layer));
    }
    result.annotations = document.string_map("annotations");
    return result;
}
// [/region]

oci::Index parse_index(std::string_view text, std::string_view type, std::string_view name) {
    const json parsed = parse_bounded(text, name);
    const JsonPlace document(parsed, name);
    document.expect_object();
    refuse_other_kind(document, {"config", "layers", "fsLayers"});
    check_version(document);
    oci::Index result;
    result.media_type = agreed_type(document, type, media_type::kOciIndex);
    if (!media_type::is_index(result.media_type)) {
        document.refuse(fmt::format("mediaType \"{}\" is no image index", result.media_type));
    }
    static_cast<void>(document.at("manifests"));
    for (const JsonPlace& manifest : document.elements("manifests")) {
        result.manifests.push_back(read_descriptor(manifest));
    }
    result.annotations = document.string_map("annotations");
    return result;
}

bool looks_like_index(std::string_view text, std::string_view name) {
    const json parsed = parse_bounded(text, name);
    const JsonPlace document(parsed, name);
    const std::string type = document.string("mediaType");
    return type.empty() ? document.has("manifests") : media_type::is_index(type);
}

std::string to_text(const oci::Manifest& manifest) {
    json layers = json::array();
    for (const oci::Descriptor& layer : manifest.layers) {
        layers.push_back(to_json(layer));
    }
    json result = {{"schemaVersion", 2},
                   {"mediaType", manifest.media_type},
                   {"config", to_json(manifest.config)},
                   {"layers", std::move(layers)}};
    if (!manifest.annotations.empty()) {
        result["annotations"] = manifest.annotations;
    }
    return result.dump();
}

std::string to_text(const oci::Index& index) {
    json manifests = json::array();
    for (const oci::Descriptor& manifest : index.manifests) {
        manifests.push_back(to_json(manifest));
    }
    json result = {
        {"schemaVersion", 2}, {"mediaType", index.media_type}, {"manifests", std::move(manifests)}};
    if (!index.annotations.empty()) {
        result["annotations"] = index.annotations;
    }
    return result.dump();
}

const oci::Descriptor& choose_platform(const oci::Index& index, const oci::Platform& wanted) {
    const oci::Descriptor* any = nullptr;
    for (const oci::Descriptor& entry : index.manifests) {
        if (!entry.platform) {
            any = any == nullptr ? &entry : any;
        } else if (entry.platform->os == wanted.os &&
                   entry.platform->architecture == wanted.architecture &&
                   (entry.platform->variant.empty() || wanted.variant.empty() ||
                    entry.platform->variant == wanted.variant)) {
            return entry;
        }
    }
    if (any != nullptr) {
        return *any;
    }
    throw InputError(fmt::format("no matching manifest for {}/{} in the manifest list entries",
                                 wanted.os, wanted.architecture));
}

}  // namespace drydock
