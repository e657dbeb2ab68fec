#include "03-cgroups/programs.hpp"

#include <cstdlib>

#include <fmt/format.h>

#include "01-chroot/error.hpp"

namespace fs = std::filesystem;

namespace drydock {

fs::path program_beside(std::string_view name) {
    const char* directory =
        std::getenv("DRYDOCK_PROGRAMS");  // NOLINT(concurrency-mt-unsafe): nobody sets it here
    const fs::path program =
        (directory != nullptr ? fs::path(directory)
                              : fs::read_symlink("/proc/self/exe").parent_path()) /
        name;
    std::error_code ignored;
    if (!fs::is_regular_file(program, ignored)) {
        throw InputError(fmt::format(
            "{}: no such program; expected it beside the one that runs, or in $DRYDOCK_PROGRAMS",
            program.native()));
    }
    return program;
}

}  // namespace drydock
