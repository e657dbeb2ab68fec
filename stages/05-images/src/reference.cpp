#include "05-images/reference.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace drydock {
namespace {

constexpr std::string_view kHub = "docker.io";
constexpr std::string_view kHubLibrary = "library/";
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxTag = 128;

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f');
}
bool is_word(char c) {
    return is_lower(c) || is_upper(c) || is_digit(c) || c == '_';
}

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
    throw InputError(fmt::format("invalid reference format: \"{}\": {}", text, why));
}

bool is_domain(std::string_view first) {
    return first == "localhost" || first.find_first_of(".:") != std::string_view::npos ||
           std::ranges::any_of(first, is_upper);
}

void check_domain(std::string_view domain, std::string_view text) {
    const std::size_t colon = domain.rfind(':');
    const std::string_view host = domain.substr(0, colon);
    if (colon != std::string_view::npos) {
        const std::string_view port = domain.substr(colon + 1);
        if (port.empty() || port.size() > 5 || !std::ranges::all_of(port, is_digit)) {
            refuse(text, fmt::format("\"{}\" is no port number", port));
        }
    }
    const auto in_host = [](char c) { return is_word(c) || c == '.' || c == '-'; };
    if (host.empty() || !std::ranges::all_of(host, in_host) || host.front() == '-' ||
        host.front() == '.' || host.back() == '-' || host.back() == '.') {
        refuse(text, fmt::format("\"{}\" is no host name", host));
    }
}

/// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool is_component(std::string_view text) {
    const auto alphanumeric = [](char c) { return is_lower(c) || is_digit(c); };
    std::size_t i = 0;
    while (true) {
        const std::size_t begin = i;
        while (i < text.size() && alphanumeric(text[i])) {
            ++i;
        }
        if (i == begin) {
            return false;
        }
        if (i == text.size()) {
            return true;
        }
        const std::size_t separator = i;
        while (i < text.size() && text[i] == text[separator] && !alphanumeric(text[i])) {
            ++i;
        }
        const std::size_t length = i - separator;
        const char c = text[separator];
        if (!(c == '-' || (c == '.' && length == 1) || (c == '_' && length <= 2))) {
            return false;
        }
    }
}

void check_path(std::string_view path, std::string_view text) {
    if (std::ranges::any_of(path, is_upper)) {
        refuse(text, "repository name must be lowercase");
    }
    std::string_view rest = path;
    while (true) {
        const std::size_t slash = rest.find('/');
        const std::string_view component = rest.substr(0, slash);
        if (!is_component(component)) {
            refuse(text,
                   fmt::format(
                       "\"{}\" is no part of a name; expected lower-case letters and digits, with "
                       "single \".\", \"_\" or \"-\" between them",
                       component));
        }
        if (slash == std::string_view::npos) {
            return;
        }
        rest.remove_prefix(slash + 1);
    }
}

void check_tag(std::string_view tag, std::string_view text) {
    const auto in_tag = [](char c) { return is_word(c) || c == '.' || c == '-'; };
    if (tag.empty() || tag.size() > kMaxTag || !is_word(tag.front()) ||
        !std::ranges::all_of(tag, in_tag)) {
        refuse(
            text,
            fmt::format(
                "\"{}\" is no tag; expected at most 128 letters, digits, \"_\", \".\", \"-\", not "
                "beginning with \".\" or \"-\"",
                tag));
    }
}

std::string suffix_of(const Reference& reference) {
    return (reference.tag.empty() ? "" : ":" + reference.tag) +
           (reference.digest ? "@" + reference.digest->text() : "");
}

}  // namespace

// [region: parse-reference]
Reference parse_reference(std::string_view text) {
    Reference result{.domain = std::string(kHub)};
    std::string_view rest = text;
    if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
        result.digest = parse_digest(rest.substr(at + 1));
        rest = rest.substr(0, at);
    }
    // A ":" before the last "/" belongs to a port.
    const std::size_t slash = rest.rfind('/');
    const std::size_t colon = rest.find(':', slash == std::string_view::npos ? 0 : slash);
    if (colon != std::string_view::npos) {
        result.tag = rest.substr(colon + 1);
        check_tag(result.tag, text);
        rest = rest.substr(0, colon);
    } else if (!result.digest) {
        result.tag = "latest";
    }
    if (rest.size() == 64 && std::ranges::all_of(rest, is_hex)) {
        refuse(text, "64 hex digits are an image ID, not a name");
    }
    const std::size_t first = rest.find('/');
    if (first != std::string_view::npos && is_domain(rest.substr(0, first))) {
        result.domain = rest.substr(0, first);
        check_domain(result.domain, text);
        rest.remove_prefix(first + 1);
    }
    check_path(rest, text);
    result.path = rest;
    if (result.domain == "index.docker.io") {
        result.domain = kHub;
    }
    if (result.domain == kHub && rest.find('/') == std::string_view::npos) {
        result.path = std::string(kHubLibrary) + result.path;
    }
    if (repository_of(result).size() > kMaxName) {
        refuse(text, "repository name must not be more than 255 characters");
    }
    return result;
}
// [/region]

std::string repository_of(const Reference& reference) {
    return reference.domain + "/" + reference.path;
}

std::string familiar_repository(const Reference& reference) {
    if (reference.domain != kHub) {
        return repository_of(reference);
    }
    const std::string_view path = reference.path;
    const bool in_library = path.starts_with(kHubLibrary) &&
                            path.find('/', kHubLibrary.size()) == std::string_view::npos;
    return std::string(in_library ? path.substr(kHubLibrary.size()) : path);
}

std::string to_string(const Reference& reference) {
    return repository_of(reference) + suffix_of(reference);
}

std::string familiar(const Reference& reference) {
    return familiar_repository(reference) + suffix_of(reference);
}

}  // namespace drydock
