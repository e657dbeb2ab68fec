#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

#include "tls_front.hpp"

namespace drydock {
namespace {

constexpr long kValidSeconds = 825L * 24 * 3600;  // the longest that clients take

struct OpensslFree {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};

template <class T>
std::unique_ptr<T, OpensslFree> made(T* object, const char* call) {
    if (object == nullptr) {
        throw std::runtime_error(fmt::format("{}: failed", call));
    }
    return std::unique_ptr<T, OpensslFree>(object);
}

std::string machine_name() {
    std::array<char, 256> name{};
    check(::gethostname(name.data(), name.size() - 1), "gethostname()");
    return name.data();
}

void add_extension(X509* certificate, int kind, const std::string& value) {
    X509V3_CTX context{};
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    const auto extension =
        made(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()), "X509V3_EXT_conf_nid()");
    X509_add_ext(certificate, extension.get(), -1);
}

std::string pem_of(BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

}  // namespace

// [region: self-signed]
TlsFiles self_signed_certificate(const std::filesystem::path& directory) {
    const TlsFiles files{.certificate = directory / "cert.pem", .key = directory / "key.pem"};
    if (std::filesystem::exists(files.certificate) && std::filesystem::exists(files.key)) {
        return files;
    }
    const auto key = made(EVP_EC_gen("P-256"), "EVP_EC_gen(P-256)");
    const auto certificate = made(X509_new(), "X509_new()");
    X509_set_version(certificate.get(), X509_VERSION_3);
    std::uint32_t serial = 0;
    RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial + 1ULL);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValidSeconds);
    X509_set_pubkey(certificate.get(), key.get());
    X509_NAME* name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("Drydock registry"), -1, -1,
                               0);
    X509_set_issuer_name(certificate.get(), name);
    add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate.get(), NID_subject_alt_name,
                  fmt::format("DNS:localhost,DNS:{},IP:127.0.0.1,IP:::1", machine_name()));
    if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) {
        throw std::runtime_error("X509_sign(): failed");
    }
    const auto secret = made(BIO_new(BIO_s_mem()), "BIO_new()");
    PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    const auto open = made(BIO_new(BIO_s_mem()), "BIO_new()");
    PEM_write_bio_X509(open.get(), certificate.get());
    if (::mkdir(directory.c_str(), 0700) == -1 && errno != EEXIST) {
        check(-1, "mkdir({})", directory.native());
    }
    const UniqueFd at = open_file(directory, O_RDONLY | O_DIRECTORY);
    replace_file(at.get(), "key.pem", pem_of(secret.get()), 0600);
    replace_file(at.get(), "cert.pem", pem_of(open.get()), 0644);
    return files;
}
// [/region]

}  // namespace drydock
