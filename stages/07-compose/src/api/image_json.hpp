#pragma once

#include <nlohmann/json_fwd.hpp>

#include "05-images/image_store.hpp"

namespace drydock::api {

/// What GET /images/{name}/json answers.
nlohmann::json inspect_json(const Image& image, const ImageStore& store);
/// One element of what GET /images/json answers.
nlohmann::json list_json(const Image& image, const ImageStore& store, int version);
/// What GET /images/{name}/history answers.
nlohmann::json history_json(const Image& image, const ImageStore& store);

}  // namespace drydock::api
