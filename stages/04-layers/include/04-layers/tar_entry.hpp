#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <string>
#include <vector>

namespace drydock {

enum class TarType { File, Directory, Symlink, HardLink, Fifo, CharDevice, BlockDevice };

struct ExtendedAttribute {
    std::string name{};
    std::string value{};
    auto operator<=>(const ExtendedAttribute&) const = default;
};

/// One entry of a tar archive, as written in it: nothing here has been checked.
struct TarEntry {
    std::string path{};
    TarType type = TarType::File;
    std::string
        link_target{};  ///< of a Symlink any text, of a HardLink the path of an earlier entry
    mode_t mode = 0;    ///< permission bits with setuid, setgid and sticky; no type
    std::int64_t uid = 0;
    std::int64_t gid = 0;
    std::int64_t size = 0;  ///< bytes of a File, holes included
    timespec mtime{};
    unsigned device_major = 0;
    unsigned device_minor = 0;
    std::vector<ExtendedAttribute> xattrs{};
};

}  // namespace drydock
