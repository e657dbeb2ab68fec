#include "06-registry/auth.hpp"

#include <crypt.h>
#include <sys/random.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <sstream>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/digest.hpp"

namespace drydock {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kMaxRemembered = 1024;
/// Of no password: what unknown users are compared with, so that they take as long as known ones.
constexpr const char* kNobody = "$2y$10$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

std::string encode_base64(std::string_view bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group = (group << 8U) |
                    (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            text.push_back(i + j <= bytes.size() ? kBase64[(group >> (18U - 6U * j)) & 63U] : '=');
        }
    }
    return text;
}

std::optional<std::string> decode_base64(std::string_view text) {
    while (text.ends_with('=')) {
        text.remove_suffix(1);
    }
    std::string bytes;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const std::size_t value = kBase64.find(c);
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        bits = (bits << 6U) | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes.push_back(static_cast<char>((bits >> count) & 255U));
        }
    }
    return bytes;
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) {
        text.remove_prefix(1);
    }
    while (text.ends_with(' ') || text.ends_with('\t')) {
        text.remove_suffix(1);
    }
    return text;
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    return result;
}

/// Takes `"quoted \" text"` or a token from the front of `text`.
std::string take_value(std::string_view& text) {
    std::string value;
    if (!text.starts_with('"')) {
        const std::size_t end = std::min(text.find_first_of(", \t"), text.size());
        value = text.substr(0, end);
        text.remove_prefix(end);
        return value;
    }
    text.remove_prefix(1);
    while (!text.empty() && text.front() != '"') {
        if (text.front() == '\\' && text.size() > 1) {
            text.remove_prefix(1);
        }
        value.push_back(text.front());
        text.remove_prefix(1);
    }
    text.remove_prefix(std::min<std::size_t>(1, text.size()));
    return value;
}

std::string random_key() {
    std::string key(32, '\0');
    check(::getrandom(key.data(), key.size(), 0), "getrandom({})", key.size());
    return key;
}

bool same_bytes(std::string_view a, std::string_view b) {
    unsigned difference = a.size() == b.size() ? 0 : 1;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        difference |= static_cast<unsigned>(a[i] ^ b[i]);
    }
    return difference == 0;
}

// [region: check-password]
bool password_fits(const std::string& password, const std::string& hash) {
    const auto workspace = std::make_unique<crypt_data>();  // 32 KiB: too much for some stacks
    const char* computed = ::crypt_r(password.c_str(), hash.c_str(), workspace.get());
    return computed != nullptr && same_bytes(computed, hash);
}
// [/region]

/// @see RFC 9110, section 5.6.2
bool is_token_character(unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string::npos;
}

}  // namespace

std::string basic_authorization(const Credentials& credentials) {
    return "Basic " + encode_base64(credentials.user + ":" + credentials.password);
}

std::optional<Credentials> parse_basic_authorization(std::string_view value) {
    if (value.size() < 6 || lower(value.substr(0, 6)) != "basic ") {
        return std::nullopt;
    }
    const auto pair = decode_base64(trimmed(value.substr(6)));
    const std::size_t colon = pair ? pair->find(':') : std::string::npos;
    if (colon == std::string::npos || pair->find('\0') != std::string::npos) {
        return std::nullopt;
    }
    return Credentials{.user = pair->substr(0, colon), .password = pair->substr(colon + 1)};
}

std::optional<Challenge> parse_challenge(std::string_view value) {
    value = trimmed(value);
    const std::size_t space = value.find(' ');
    Challenge challenge{.scheme = lower(value.substr(0, space))};
    if (challenge.scheme.empty() || !std::ranges::all_of(challenge.scheme, is_token_character)) {
        return std::nullopt;
    }
    std::string_view rest =
        space == std::string_view::npos ? std::string_view() : value.substr(space);
    while (true) {
        rest = trimmed(rest);
        while (rest.starts_with(',')) {
            rest = trimmed(rest.substr(1));
        }
        const std::size_t equals = rest.find('=');
        if (equals == std::string_view::npos) {
            return challenge;
        }
        const std::string key = lower(trimmed(rest.substr(0, equals)));
        if (key.find_first_of(" \t,") != std::string::npos) {
            return challenge;  // here the next challenge begins
        }
        rest = trimmed(rest.substr(equals + 1));
        challenge.values.emplace(key, take_value(rest));
    }
}

HtpasswdFile::HtpasswdFile(const std::filesystem::path& path) : key_(random_key()) {
    std::istringstream lines(read_file(path, std::size_t{1} << 20U));
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        if (line.ends_with('\r')) {
            line.pop_back();
        }
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        const std::size_t colon = line.find(':');
        const std::string hash = colon == std::string::npos ? "" : line.substr(colon + 1);
        const bool bcrypt =
            hash.starts_with("$2y$") || hash.starts_with("$2b$") || hash.starts_with("$2a$");
        if (colon == 0 || !bcrypt || hash.size() != std::string_view(kNobody).size()) {
            throw InputError(fmt::format(
                "{}:{}: expected user:HASH with a bcrypt hash, as `htpasswd -B` writes it",
                path.native(), number));
        }
        hashes_.insert_or_assign(line.substr(0, colon), hash);
    }
    if (hashes_.empty()) {
        throw InputError(fmt::format(
            "{}: nobody is in it; expected lines user:HASH as `htpasswd -B` writes them",
            path.native()));
    }
}

bool HtpasswdFile::allows(const Credentials& credentials) {
    const auto found = hashes_.find(credentials.user);
    const std::string hash = found == hashes_.end() ? kNobody : found->second;
    const std::string fingerprint =
        digest_of(fmt::format("{}{}\n{}\n{}", key_, credentials.user, credentials.password, hash))
            .text();
    {
        const std::lock_guard lock(mutex_);
        if (remembered_.contains(fingerprint)) {
            return true;
        }
    }
    if (!password_fits(credentials.password, hash) || found == hashes_.end()) {
        return false;
    }
    const std::lock_guard lock(mutex_);
    if (remembered_.size() >= kMaxRemembered) {
        remembered_.clear();
    }
    remembered_.insert(fingerprint);
    return true;
}

}  // namespace drydock
