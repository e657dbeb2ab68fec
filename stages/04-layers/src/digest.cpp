#include "04-layers/digest.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"

namespace drydock {
namespace {

constexpr std::string_view kPrefix = "sha256:";
constexpr std::size_t kHexDigits = 64;

void require(int ok, const char* call) {
    if (ok != 1) {
        throw std::runtime_error(fmt::format("{}: OpenSSL cannot compute SHA-256", call));
    }
}

}  // namespace

std::string_view Digest::hex() const noexcept {
    return text_.empty() ? std::string_view{} : std::string_view(text_).substr(kPrefix.size());
}

Digest parse_digest(std::string_view text, std::string_view where) {
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + kHexDigits ||
        !std::all_of(text.begin() + kPrefix.size(), text.end(), is_hex)) {
        throw InputError(
            fmt::format("{}: \"{}\" is not a digest; expected sha256: and 64 digits of 0-9a-f",
                        where, text.substr(0, 100)));
    }
    return Digest(std::string(text));
}

struct Sha256::Context {
    struct Free {
        void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
    };
    std::unique_ptr<EVP_MD_CTX, Free> evp{EVP_MD_CTX_new()};
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
    require(EVP_DigestInit_ex(context_->evp.get(), EVP_sha256(), nullptr), "EVP_DigestInit_ex");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
    require(EVP_DigestUpdate(context_->evp.get(), bytes.data(), bytes.size()), "EVP_DigestUpdate");
}

Digest Sha256::finish() {
    std::array<unsigned char, kHexDigits / 2> binary{};
    require(EVP_DigestFinal_ex(context_->evp.get(), binary.data(), nullptr), "EVP_DigestFinal_ex");
    std::string text(kPrefix);
    for (const unsigned char byte : binary) {
        text += fmt::format("{:02x}", byte);
    }
    return Digest(std::move(text));
}

Digest digest_of(std::string_view bytes) {
    Sha256 hash;
    hash.update(bytes);
    return hash.finish();
}

Digest digest_of_file(int fd, std::string_view name_for_errors) {
    Sha256 hash;
    std::vector<std::byte> buffer(std::size_t{256} << 10U);
    while (true) {
        const ssize_t n = ::read(fd, buffer.data(), buffer.size());
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (check(n, "read({})", name_for_errors) == 0) {
            return hash.finish();
        }
        hash.update(std::span(buffer).first(static_cast<std::size_t>(n)));
    }
}

}  // namespace drydock
