#include "api/body_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock::api {

UniqueFd body_in_file(Call& call, std::string_view begun) {
    UniqueFd file = open_file(call.engine.options().data_root, O_TMPFILE | O_RDWR, 0600);
    write_all(file.get(), begun, "body of the request");
    std::vector<std::byte> block(std::size_t{256} << 10U);
    while (const std::size_t got = call.http.read_some(block)) {
        write_all(file.get(), {reinterpret_cast<const char*>(block.data()), got},
                  "body of the request");
    }
    check(::lseek(file.get(), 0, SEEK_SET), "lseek(body, 0, SEEK_SET)");
    return file;
}

std::pair<std::string, std::string> first_line_of_body(Call& call, std::size_t limit) {
    std::string text;
    std::vector<std::byte> block(std::size_t{64} << 10U);
    std::size_t end = std::string::npos;
    while (end == std::string::npos) {
        const std::size_t got = call.http.read_some(block);
        if (got == 0 || text.size() > limit) {
            throw InputError(fmt::format(
                "request body: expected a line of JSON of at most {} bytes before the archive",
                limit));
        }
        text.append(reinterpret_cast<const char*>(block.data()), got);
        end = text.find('\n', text.size() - got);
    }
    return {text.substr(0, end), text.substr(end + 1)};
}

}  // namespace drydock::api
