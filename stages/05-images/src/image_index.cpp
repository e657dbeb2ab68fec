#include "image_index.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock {
namespace {

bool only_hex(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

}  // namespace

std::string_view id_prefix(std::string_view name) {
    if (name.starts_with("sha256:")) {
        name.remove_prefix(7);
    }
    return name.size() <= 64 && only_hex(name) ? name : std::string_view{};
}

std::optional<Reference> try_reference(std::string_view name) {
    try {
        return parse_reference(name);
    } catch (const InputError&) {
        return std::nullopt;
    }
}

bool names_same(const Reference& wanted, const std::optional<Reference>& name,
                const Digest& manifest) {
    if (!name || name->domain != wanted.domain || name->path != wanted.path) {
        return false;
    }
    return wanted.digest ? *wanted.digest == manifest : name->tag == wanted.tag;
}

ImageStore::Lock::Lock(const ImageStore& store)
    : file_(open_at(store.root_.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600)) {
    while (::flock(file_.get(), LOCK_EX) == -1) {
        if (errno != EINTR) {
            check(-1, "flock({}/lock, LOCK_EX)", store.data_root_.native());
        }
    }
}

}  // namespace drydock
