// Layers: nothing outside of the directory changes, whatever the archive says; what was unpacked,
// with its whiteouts in overlay's form, is packed into a layer that unpacks to the same.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"
#include "04-layers/tar_apply.hpp"
#include "04-layers/tar_create.hpp"

#include "oracle.hpp"

namespace {

using namespace drydock;
namespace fs = std::filesystem;

constexpr const char* kCanary = "nobody changes this";

UniqueFd in_memory(std::string_view bytes) {
    UniqueFd fd(::memfd_create("layer", MFD_CLOEXEC));
    write_all(fd.get(), bytes, "memfd");
    ::lseek(fd.get(), 0, SEEK_SET);
    return fd;
}

UniqueFd made(const fs::path& directory) {
    fs::create_directory(directory);
    fs::permissions(directory, fs::perms(0755));
    return open_file(directory, O_RDONLY | O_DIRECTORY);
}

/// Unpacks; nothing for what is refused.
std::optional<AppliedLayer> unpacked(std::string_view bytes, int directory) {
    try {
        return apply_layer(in_memory(bytes).get(), directory, {.name = "fuzz", .limits = {}});
    } catch (const InputError&) {
        return std::nullopt;
    } catch (const NotImplemented&) {
        return std::nullopt;
    } catch (const std::system_error&) {
        return std::nullopt;  // a name that is too long, an attribute this filesystem has not
    }
}

std::string packed(int directory, Digest& diff_id) {
    std::string bytes;
    diff_id = create_layer(
                  [&](std::span<const std::byte> more) {
                      bytes.append(reinterpret_cast<const char*>(more.data()), more.size());
                  },
                  directory, {.compression_level = 1})
                  .diff_id;
    return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const TempDir top("drydock-fuzz-", fs::exists("/dev/shm") ? "/dev/shm" : "/tmp");
    const fs::path canary = top.path() / "canary";
    {
        const UniqueFd file = open_file(canary, O_WRONLY | O_CREAT | O_EXCL, 0640);
        write_all(file.get(), kCanary, "canary");
    }
    struct stat before{};
    ::lstat(canary.c_str(), &before);
    const UniqueFd first = made(top.path() / "first");
    const auto applied = unpacked({reinterpret_cast<const char*>(data), size}, first.get());
    struct stat after{};
    HOLDS(::lstat(canary.c_str(), &after) == 0);
    HOLDS(after.st_mode == before.st_mode && after.st_nlink == 1 && after.st_uid == before.st_uid);
    HOLDS(read_file(canary) == kCanary);
    HOLDS(std::distance(fs::directory_iterator(top.path()), {}) == 2);
    if (!applied) {
        return 0;
    }
    Digest once;
    Digest twice;
    const std::string layer = packed(first.get(), once);
    const UniqueFd second = made(top.path() / "second");
    const auto again = unpacked(layer, second.get());
    HOLDS(again && again->diff_id == once);
    packed(second.get(), twice);
    HOLDS(once == twice);
    return 0;
}
