#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace drydock {

/// The name of some bytes: "sha256:" and the 64 lower-case hexadecimal digits of their SHA-256.
/// Nothing else is ever in one, so a Digest is safe as part of a path. Made by parse_digest and
/// Sha256 only; empty when default-made.
/// @see OCI image-spec, descriptor.md, "Digests"
class Digest {
  public:
    Digest() = default;

    /// "sha256:…", as documents spell it
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    /// the 64 digits alone: the name of the file in blobs/sha256/
    [[nodiscard]] std::string_view hex() const noexcept;
    [[nodiscard]] explicit operator bool() const noexcept { return !text_.empty(); }
    auto operator<=>(const Digest&) const = default;

  private:
    friend Digest parse_digest(std::string_view text, std::string_view where);
    friend class Sha256;
    explicit Digest(std::string text) : text_(std::move(text)) {}

    std::string text_{};
};

/// @param where for the error: the document and the place in it
/// @throws InputError for anything but "sha256:" + 64 lower-case hexadecimal digits
Digest parse_digest(std::string_view text, std::string_view where = "digest");

/// Computes the digest of bytes as they pass by.
class Sha256 {
  public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;

    void update(std::span<const std::byte> bytes);
    void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
    /// The digest of everything so far; once only.
    Digest finish();

  private:
    struct Context;
    std::unique_ptr<Context> context_;
};

Digest digest_of(std::string_view bytes);
/// From the descriptor's position to the end of the file.
Digest digest_of_file(int fd, std::string_view name_for_errors);

}  // namespace drydock

template <>
struct std::hash<drydock::Digest> {
    std::size_t operator()(const drydock::Digest& digest) const noexcept {
        return std::hash<std::string>{}(digest.text());
    }
};
