#include "api/body_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <string_view>
#include <vector>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"

namespace drydock::api {

UniqueFd body_in_file(Call& call) {
    UniqueFd file = open_file(call.engine.options().data_root, O_TMPFILE | O_RDWR, 0600);
    std::vector<std::byte> block(std::size_t{256} << 10U);
    while (const std::size_t got = call.http.read_some(block)) {
        write_all(file.get(), {reinterpret_cast<const char*>(block.data()), got},
                  "body of the request");
    }
    check(::lseek(file.get(), 0, SEEK_SET), "lseek(body, 0, SEEK_SET)");
    return file;
}

}  // namespace drydock::api
