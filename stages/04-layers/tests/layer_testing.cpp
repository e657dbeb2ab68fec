#include "layer_testing.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <random>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/tar_writer.hpp"

#include "gzip_writer.hpp"

namespace fs = std::filesystem;

namespace drydock::testing {
namespace {

TarEntry entry_of(const std::string& path, TarType type, mode_t mode,
                  const std::string& target = {}) {
    return {.path = path,
            .type = type,
            .link_target = target,
            .mode = mode,
            .uid = ::geteuid(),
            .gid = ::getegid(),
            .mtime = {.tv_sec = 1'600'000'000, .tv_nsec = 0}};
}

std::string attributes_of(const fs::path& path) {
    std::array<char, 65536> names{};
    const ssize_t length = ::llistxattr(path.c_str(), names.data(), names.size());
    std::set<std::string> attributes;  // the kernel gives them in no order
    for (ssize_t at = 0; at < length;) {
        const std::string name = &names[static_cast<std::size_t>(at)];
        std::array<char, 4096> value{};
        const ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
        attributes.insert(
            " " + name + "=" +
            std::string(value.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))));
        at += static_cast<ssize_t>(name.size()) + 1;
    }
    return fmt::format("{}", fmt::join(attributes, ""));
}

std::string contents_of(const fs::path& path, const struct stat& status) {
    if (S_ISREG(status.st_mode)) {
        return digest_of_file(open_file(path, O_RDONLY).get(), path.native()).text();
    }
    if (S_ISLNK(status.st_mode)) {
        return fs::read_symlink(path).native();
    }
    const bool is_device = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
    return is_device ? std::to_string(status.st_rdev) : "";
}

class TreeMaker {
  public:
    TreeMaker(std::uint32_t seed, bool privileged) : random_(seed), privileged_(privileged) {}

    void fill(const fs::path& directory, unsigned depth) {
        for (unsigned i = 0, count = 1 + pick(6); i < count; ++i) {
            make(directory / name(i), depth);
        }
        decorate(directory);
    }

  private:
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_()) % below; }

    std::string name(unsigned i) {
        static const std::array<std::string, 6> kNames{
            "a", "b c", "naïve-ü", "new\nline", std::string(120, 'l'), "-x"};
        return kNames[pick(kNames.size())] + std::to_string(i);
    }

    void make(const fs::path& path, unsigned depth) {
        switch (pick(privileged_ ? 8 : 6)) {
            case 0:
            case 1:
                fs::create_directory(path);
                depth < 4 ? fill(path, depth + 1) : decorate(path);
                return;
            case 2:
                fs::create_symlink(pick(2) == 0 ? "../../etc/passwd" : std::string(150, 't'), path);
                break;
            case 3:
                if (!files_.empty()) {
                    fs::create_hard_link(files_[pick(static_cast<unsigned>(files_.size()))], path);
                    return;
                }
                [[fallthrough]];
            case 4:
                make_file(path);
                return;
            case 5:
                check(::mkfifo(path.c_str(), 0600), "mkfifo()");
                break;
            case 6:
                check(::mknod(path.c_str(), S_IFCHR | 0620, makedev(5, pick(9) + 1)), "mknod()");
                break;
            default:
                check(::mknod(path.c_str(), S_IFBLK | 0600, makedev(7, pick(9))), "mknod()");
                break;
        }
        decorate(path);
    }

    void make_file(const fs::path& path) {
        std::string bytes(pick(3) == 0 ? 0 : pick(100'000), '\0');
        for (char& byte : bytes) {
            byte = static_cast<char>(pick(4) == 0 ? random_() : 'z');
        }
        std::ofstream(path, std::ios::binary) << bytes;
        files_.push_back(path);
        decorate(path);
    }

    void decorate(const fs::path& path) {
        const fs::file_status status = fs::symlink_status(path);
        if (privileged_) {
            constexpr unsigned kLargeId = 2'200'000'000;
            check(::lchown(path.c_str(), pick(2) == 0 ? 0 : kLargeId, pick(1000)), "lchown({})",
                  path.native());
        }
        if (fs::is_regular_file(status) || fs::is_directory(status)) {
            add_attributes(path, fs::is_regular_file(status));
        }
        if (!fs::is_symlink(status)) {
            static constexpr std::array<mode_t, 5> kModes{0755, 0700, 01777, 04755, 02750};
            check(::chmod(path.c_str(), kModes[pick(kModes.size())]), "chmod({})", path.native());
        }
        const timespec time{.tv_sec = static_cast<time_t>(pick(2'000'000'000)) - 1000,
                            .tv_nsec = 0};
        const std::array<timespec, 2> times{time, time};
        check(::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW),
              "utimensat()");
    }

    void add_attributes(const fs::path& path, bool is_file) {
        if (pick(3) == 0) {
            static_cast<void>(::setxattr(path.c_str(), "user.note", "v\0w", 3, 0));
        }
        if (is_file && privileged_ && pick(3) == 0) {
            // VFS_CAP_REVISION_2 with the bit for it to be effective, CAP_NET_RAW permitted
            static constexpr std::array<unsigned char, 20> kCapability{1, 0, 0, 2, 0, 32};
            check(::setxattr(path.c_str(), "security.capability", kCapability.data(),
                             kCapability.size(), 0),
                  "setxattr(security.capability)");
        }
    }

    std::mt19937 random_;
    bool privileged_;
    std::vector<fs::path> files_{};
};

}  // namespace

Member file(const std::string& path, const std::string& bytes, mode_t mode) {
    return {.entry = entry_of(path, TarType::File, mode), .bytes = bytes};
}
Member directory(const std::string& path, mode_t mode) {
    return {.entry = entry_of(path, TarType::Directory, mode)};
}
Member symbolic_link(const std::string& path, const std::string& target) {
    return {.entry = entry_of(path, TarType::Symlink, 0777, target)};
}
Member hard_link(const std::string& path, const std::string& target) {
    return {.entry = entry_of(path, TarType::HardLink, 0644, target)};
}

std::string tar_of(const std::vector<Member>& members) {
    std::string archive;
    TarWriter writer([&](std::span<const std::byte> bytes) {
        archive.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    for (const Member& member : members) {
        writer.add(member.entry, member.bytes);
    }
    writer.finish();
    return archive;
}

std::string gzip_of(const std::string& bytes) {
    std::string compressed;
    GzipWriter writer(
        [&](std::span<const std::byte> block) {
            compressed.append(reinterpret_cast<const char*>(block.data()), block.size());
        },
        6);
    writer.write(std::as_bytes(std::span(bytes)));
    writer.finish();
    return compressed;
}

UniqueFd file_with(const std::string& bytes) {
    UniqueFd fd(check(::memfd_create("archive", MFD_CLOEXEC), "memfd_create()"));
    write_all(fd.get(), bytes, "memfd");
    check(::lseek(fd.get(), 0, SEEK_SET), "lseek()");
    return fd;
}

AppliedLayer apply_to(const std::string& archive, const fs::path& target,
                      const ApplyOptions& options) {
    fs::create_directories(target);
    return apply_layer(file_with(archive).get(), open_file(target, O_RDONLY | O_DIRECTORY).get(),
                       options);
}

std::string refusal_of(const std::string& archive, const fs::path& target,
                       const ApplyOptions& options) {
    try {
        apply_to(archive, target, options);
        return {};
    } catch (const InputError& e) {
        return e.what();
    }
}

std::map<std::string, std::string> fingerprint(const fs::path& root) {
    std::map<std::string, std::string> all;
    std::map<ino_t, std::string> first_names;
    std::vector<fs::path> paths{root};
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
        paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    for (const fs::path& path : paths) {
        struct stat status{};
        check(::lstat(path.c_str(), &status), "lstat({})", path.native());
        const std::string name = path == root ? "." : path.lexically_relative(root).native();
        const std::string first = S_ISDIR(status.st_mode)
                                      ? ""
                                      : first_names.try_emplace(status.st_ino, name).first->second;
        all[name] = fmt::format("{:o} {}:{} {} {} {}{}", status.st_mode, status.st_uid,
                                status.st_gid, status.st_mtim.tv_sec, first,
                                contents_of(path, status), attributes_of(path));
    }
    return all;
}

std::string difference(const std::map<std::string, std::string>& a,
                       const std::map<std::string, std::string>& b) {
    std::string text;
    for (const auto* one : {&a, &b}) {
        const auto& other = one == &a ? b : a;
        for (const auto& [path, facts] : *one) {
            const auto found = other.find(path);
            if (found == other.end() || found->second != facts) {
                text += (one == &a ? "- " : "+ ") + path + " " + facts + "\n";
            }
        }
    }
    return text;
}

void make_tree(const fs::path& root, std::uint32_t seed, bool privileged) {
    fs::create_directories(root);
    TreeMaker(seed, privileged).fill(root, 0);
}

}  // namespace drydock::testing
