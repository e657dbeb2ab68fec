#pragma once

#include <string>
#include <string_view>

namespace drydock {

struct Visitor;

enum class Endpoint {
    Version,
    Catalog,
    Blob,
    StartUpload,
    Upload,
    Manifest,
    Tags,
    Referrers,
    Unknown
};

struct Route {
    Endpoint endpoint = Endpoint::Unknown;
    std::string name{};                ///< of the repository, checked
    const Visitor* visitor = nullptr;  ///< who asks
    std::string reference{};           ///< digest, tag or upload ID as given, unchecked
};

/// @param path unescaped
/// @throws HttpError 400 NAME_INVALID
Route route_of(std::string_view path);

/// Whether it is one by the spec's grammar, at most 255 bytes. Such a name is safe as a relative
/// path: no part of it is "." or "..", or begins with "_" or ".".
bool is_repository_name(std::string_view name);
/// The same for tags, at most 128 bytes.
bool is_tag(std::string_view tag);

}  // namespace drydock
