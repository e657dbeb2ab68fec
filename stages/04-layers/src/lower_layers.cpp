#include "lower_layers.hpp"

#include <fcntl.h>
#include <sys/xattr.h>

#include <cerrno>

#include "01-chroot/file.hpp"

#include "whiteout.hpp"

namespace drydock {

UniqueFd find_in_lowers(std::span<const int> lowers, const std::vector<std::string>& path,
                        const std::string& overlay_namespace) {
    const std::string opaque = opaque_attribute(overlay_namespace);
    for (const int lower : lowers) {
        UniqueFd directory = open_at(lower, ".", O_RDONLY | O_DIRECTORY);
        bool hides_the_rest = false;
        for (const std::string& part : path) {
            directory = UniqueFd(::openat(directory.get(), part.c_str(),
                                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!directory) {
                // Something else is there: a whiteout, a file or a link stands before what is
                // further down.
                hides_the_rest = hides_the_rest || errno != ENOENT;
                break;
            }
            hides_the_rest =
                hides_the_rest || ::fgetxattr(directory.get(), opaque.c_str(), nullptr, 0) > 0;
        }
        if (directory || hides_the_rest) {
            return directory;
        }
    }
    return {};
}

}  // namespace drydock
