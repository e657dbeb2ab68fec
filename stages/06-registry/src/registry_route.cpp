#include "registry_route.hpp"

#include <algorithm>
#include <vector>

#include "registry_error.hpp"

namespace drydock {
namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxTag = 128;

bool is_lower_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_word(char c) {
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool is_component(std::string_view part) {
    std::size_t i = 0;
    while (true) {
        const std::size_t begin = i;
        while (i < part.size() && is_lower_or_digit(part[i])) {
            ++i;
        }
        if (i == begin) {
            return false;
        }
        if (i == part.size()) {
            return true;
        }
        const std::size_t end =
            std::min(part.size(),
                     static_cast<std::size_t>(
                         std::ranges::find_if(part.substr(i), is_lower_or_digit) - part.begin()));
        const std::string_view separator = part.substr(i, end - i);
        const bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
        if (!dashes && separator != "." && separator != "_" && separator != "__") {
            return false;
        }
        i = end;
    }
}

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t slash = path.find('/');
        parts.push_back(path.substr(0, slash));
        if (slash == std::string_view::npos) {
            return parts;
        }
        path.remove_prefix(slash + 1);
    }
}

}  // namespace

bool is_repository_name(std::string_view name) {
    return name.size() <= kMaxName && std::ranges::all_of(split(name), is_component);
}

bool is_tag(std::string_view tag) {
    return !tag.empty() && tag.size() <= kMaxTag && is_word(tag.front()) &&
           std::ranges::all_of(tag, [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

namespace {

void expect_name(std::string_view name) {
    if (!is_repository_name(name)) {
        throw registry_refusal(
            400, "NAME_INVALID",
            "invalid repository name: expected lower-case letters, digits and separators");
    }
}

}  // namespace

// [region: routes]
Route route_of(std::string_view path) {
    if (path == "/v2/" || path == "/v2") {
        return {.endpoint = Endpoint::Version};
    }
    if (path == "/v2/_catalog") {
        return {.endpoint = Endpoint::Catalog};
    }
    if (!path.starts_with("/v2/")) {
        return {};
    }
    path.remove_prefix(4);
    // Parts of a name may be called "blobs" or "tags" too: the end of the path counts.
    const std::vector<std::string_view> parts = split(path);
    const auto from_end = [&](std::size_t i) {
        return i < parts.size() ? parts[parts.size() - 1 - i] : std::string_view();
    };
    Route route{.reference = std::string(from_end(0))};
    std::size_t tail = 2;
    if (from_end(2) == "blobs" && from_end(1) == "uploads") {
        route.endpoint = from_end(0).empty() ? Endpoint::StartUpload : Endpoint::Upload;
        tail = 3;
    } else if (from_end(1) == "blobs") {
        route.endpoint = from_end(0) == "uploads" ? Endpoint::StartUpload : Endpoint::Blob;
    } else if (from_end(1) == "manifests") {
        route.endpoint = Endpoint::Manifest;
    } else if (from_end(1) == "referrers") {
        route.endpoint = Endpoint::Referrers;
    } else if (from_end(1) == "tags" && from_end(0) == "list") {
        route.endpoint = Endpoint::Tags;
    } else {
        return {};
    }
    for (std::size_t i = 0; i + tail < parts.size(); ++i) {
        route.name += (i == 0 ? "" : "/") + std::string(parts[i]);
    }
    expect_name(route.name);
    return route;
}
// [/region]

}  // namespace drydock
