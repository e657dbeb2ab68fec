#include "json_web_token.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "05-images/strict_json.hpp"

namespace drydock {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTokenBytes = std::size_t{64} << 10U;
constexpr std::size_t kMaxKeyFile = std::size_t{64} << 10U;
constexpr int kSmallestRsa = 2048;
constexpr std::size_t kCoordinate = 32;  // bytes of each half of an ES256 signature

struct TokenFree {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
};
template <class T>
using Openssl = std::unique_ptr<T, TokenFree>;

const unsigned char* octets_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

void require(bool good, const char* call) {
    if (!good) {
        throw std::runtime_error(fmt::format("{}: failed", call));
    }
}

std::string written(const Openssl<BIO>& bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

/// ES256 has the two numbers of a signature side by side; OpenSSL wants them in DER.
/// @see RFC 7518, 3.4
std::string der_of(std::string_view signature) {
    if (signature.size() != 2 * kCoordinate) {
        return "";
    }
    const Openssl<ECDSA_SIG> pair(ECDSA_SIG_new());
    BIGNUM* r = BN_bin2bn(octets_of(signature), kCoordinate, nullptr);
    BIGNUM* s = BN_bin2bn(octets_of(signature.substr(kCoordinate)), kCoordinate, nullptr);
    require(pair != nullptr && ECDSA_SIG_set0(pair.get(), r, s) == 1, "ECDSA_SIG_set0()");
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(pair.get(), &der);
    require(size > 0, "i2d_ECDSA_SIG()");
    std::string result(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return result;
}

std::string_view algorithm_of(EVP_PKEY* key) {
    if (EVP_PKEY_is_a(key, "ED25519") == 1) {
        return "EdDSA";
    }
    if (EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) >= kSmallestRsa) {
        return "RS256";
    }
    std::array<char, 64> group{};
    if (EVP_PKEY_is_a(key, "EC") == 1 &&
        EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1 &&
        std::string_view(group.data()) == "prime256v1") {
        return "ES256";
    }
    return "";
}

nlohmann::json parse_part(std::string_view part, std::string_view name) {
    try {
        nlohmann::json parsed = parse_strict_json(decode_base64url(part), name);
        if (!parsed.is_object()) {
            throw TokenRefused(fmt::format("{}: expected an object", name));
        }
        return parsed;
    } catch (const InputError& error) {
        throw TokenRefused(error.what());
    }
}

}  // namespace

struct TokenKey::Key {
    Openssl<EVP_PKEY> pkey{};
    std::string_view algorithm{};
};

TokenKey::TokenKey(std::unique_ptr<Key> key) : key_(std::move(key)) {}
TokenKey::~TokenKey() = default;
TokenKey::TokenKey(TokenKey&&) noexcept = default;
TokenKey& TokenKey::operator=(TokenKey&&) noexcept = default;

TokenKey TokenKey::read(const fs::path& file) {
    const std::string text = read_file(file, kMaxKeyFile);
    const Openssl<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    Openssl<EVP_PKEY> pkey(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
    const std::string_view algorithm = pkey ? algorithm_of(pkey.get()) : "";
    if (algorithm.empty()) {
        throw InputError(fmt::format(
            "--token-key {}: expected a public key in PEM: RSA of 2048 bits or more, P-256 or "
            "Ed25519, as `openssl pkey -pubout` writes it",
            file.native()));
    }
    return TokenKey(std::make_unique<Key>(Key{std::move(pkey), algorithm}));
}

TokenKey TokenKey::own(const fs::path& directory) {
    if (::mkdir(directory.c_str(), 0700) == -1 && errno != EEXIST) {
        check(-1, "mkdir({})", directory.native());
    }
    const fs::path file = directory / "key.pem";
    Openssl<EVP_PKEY> pkey;
    if (fs::exists(file)) {
        const std::string text = read_file(file, kMaxKeyFile);
        const Openssl<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
        pkey.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
        if (!pkey || algorithm_of(pkey.get()) != "EdDSA") {
            throw InputError(fmt::format(
                "{}: expected an Ed25519 key in PEM; without the file a new key is made",
                file.native()));
        }
    } else {
        pkey.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
        require(pkey != nullptr, "EVP_PKEY_Q_keygen(ED25519)");
        const Openssl<BIO> secret(BIO_new(BIO_s_mem()));
        require(PEM_write_bio_PrivateKey(secret.get(), pkey.get(), nullptr, nullptr, 0, nullptr,
                                         nullptr) == 1,
                "PEM_write_bio_PrivateKey()");
        const UniqueFd at = open_file(directory, O_RDONLY | O_DIRECTORY);
        replace_file(at.get(), "key.pem", written(secret), 0600);
    }
    const Openssl<BIO> open(BIO_new(BIO_s_mem()));
    require(PEM_write_bio_PUBKEY(open.get(), pkey.get()) == 1, "PEM_write_bio_PUBKEY()");
    const UniqueFd at = open_file(directory, O_RDONLY | O_DIRECTORY);
    replace_file(at.get(), "public.pem", written(open), 0644);
    return TokenKey(std::make_unique<Key>(Key{std::move(pkey), "EdDSA"}));
}

std::string_view TokenKey::algorithm() const noexcept {
    return key_->algorithm;
}

std::string TokenKey::sign(std::string_view text) const {
    const Openssl<EVP_MD_CTX> context(EVP_MD_CTX_new());
    std::array<unsigned char, 64> signature{};  // of Ed25519, always as long
    std::size_t size = signature.size();
    require(context != nullptr &&
                EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_->pkey.get()) == 1,
            "EVP_DigestSignInit()");
    require(
        EVP_DigestSign(context.get(), signature.data(), &size, octets_of(text), text.size()) == 1,
        "EVP_DigestSign()");
    return {reinterpret_cast<const char*>(signature.data()), size};
}

bool TokenKey::signed_by(std::string_view text, std::string_view signature) const {
    const std::string der = key_->algorithm == "ES256" ? der_of(signature) : std::string(signature);
    const EVP_MD* hash = key_->algorithm == "EdDSA" ? nullptr : EVP_sha256();
    const Openssl<EVP_MD_CTX> context(EVP_MD_CTX_new());
    require(context != nullptr &&
                EVP_DigestVerifyInit(context.get(), nullptr, hash, nullptr, key_->pkey.get()) == 1,
            "EVP_DigestVerifyInit()");
    return EVP_DigestVerify(context.get(), octets_of(der), der.size(), octets_of(text),
                            text.size()) == 1;
}

std::string encode_base64url(std::string_view bytes) {
    std::vector<unsigned char> buffer((bytes.size() + 2) / 3 * 4 + 1);
    const int size =
        EVP_EncodeBlock(buffer.data(), octets_of(bytes), static_cast<int>(bytes.size()));
    std::string text(reinterpret_cast<const char*>(buffer.data()), static_cast<std::size_t>(size));
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    text.erase(std::min(text.find('='), text.size()));
    return text;
}

std::string decode_base64url(std::string_view text) {
    std::string padded(text);
    std::ranges::replace(padded, '-', '+');
    std::ranges::replace(padded, '_', '/');
    const std::size_t padding = (4 - padded.size() % 4) % 4;
    padded.append(padding, '=');
    std::vector<unsigned char> buffer(padded.size() / 4 * 3 + 1);
    const int size =
        EVP_DecodeBlock(buffer.data(), octets_of(padded), static_cast<int>(padded.size()));
    std::string bytes;
    if (size >= static_cast<int>(padding)) {
        bytes.assign(reinterpret_cast<const char*>(buffer.data()),
                     static_cast<std::size_t>(size) - padding);
    }
    if (encode_base64url(bytes) != text) {  // one spelling for each value, and no other
        throw TokenRefused("not base64url");
    }
    return bytes;
}

std::string make_token(const TokenKey& key, const nlohmann::json& claims) {
    const nlohmann::json header = {{"alg", key.algorithm()}, {"typ", "JWT"}};
    const std::string text =
        encode_base64url(header.dump()) + "." + encode_base64url(claims.dump());
    return text + "." + encode_base64url(key.sign(text));
}

// [region: signed-claims]
nlohmann::json signed_claims(const TokenKey& key, std::string_view token) {
    const std::size_t first = token.find('.');
    const std::size_t last = token.rfind('.');
    if (token.size() > kMaxTokenBytes || first == last ||
        token.find('.', first + 1) != last) {  // also when there is no dot at all
        throw TokenRefused("not of three parts");
    }
    const nlohmann::json header = parse_part(token.substr(0, first), "token header");
    // The key decides the algorithm. A header that says "none", or HS256 with our public key as the
    // secret, or that brings a key of its own, changes nothing about that.
    if (header.value("alg", nlohmann::json()) != key.algorithm()) {
        throw TokenRefused(fmt::format("signed otherwise than by {}", key.algorithm()));
    }
    if (header.contains("crit")) {
        throw TokenRefused("its header asks for what we do not know");
    }
    if (!key.signed_by(token.substr(0, last), decode_base64url(token.substr(last + 1)))) {
        throw TokenRefused("not signed by the key");
    }
    return parse_part(token.substr(first + 1, last - first - 1), "token claims");
}
// [/region]

}  // namespace drydock
