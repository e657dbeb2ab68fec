#pragma once

#include <string>
#include <string_view>

#include "05-images/image_store.hpp"

namespace drydock {

// What a store holds, as text for people.

/// REPOSITORY, TAG, IMAGE ID, CREATED, SIZE: one line a name, the newest image first.
std::string images_table(const ImageStore& store);
/// IMAGE, CREATED, CREATED BY, SIZE: one line a step, the newest first.
std::string history_table(const ImageStore& store, const Image& image);
/// The image as a JSON array of one object, the fields named as `docker image inspect` names them.
std::string inspect_text(const ImageStore& store, const Image& image);

/// "1.2MB": decimal units, three digits, as docker writes sizes.
std::string human_size(std::uint64_t bytes);
/// "3 hours ago" for a time in RFC 3339; "N/A" for what is none.
std::string human_age(std::string_view time);

}  // namespace drydock
