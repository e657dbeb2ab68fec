#include "05-images/build_secret.hpp"

#include <cstdlib>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

namespace drydock {

std::pair<std::string, std::string> read_build_secret(const std::string& text) {
    constexpr std::size_t kMaxSecret = 500 * 1024;  // as docker has it
    std::map<std::string, std::string> fields;
    std::string_view rest = text;
    while (!rest.empty()) {
        const std::string_view field = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(field.size() + 1, rest.size()));
        const std::size_t equals = std::min(field.find('='), field.size());
        const std::string key(field.substr(0, equals));
        if (equals == field.size() ||
            (key != "id" && key != "src" && key != "source" && key != "env" && key != "type")) {
            throw InputError(fmt::format(
                "--secret {}: \"{}\": expected id=ID, then src=FILE or env=NAME", text, field));
        }
        fields[key == "source" ? "src" : key] = field.substr(equals + 1);
    }
    const std::string id = fields["id"];
    if (id.empty()) {
        throw InputError(fmt::format("--secret {}: expected id=ID", text));
    }
    const bool from_env = fields.contains("env") || fields["type"] == "env";
    const std::string name = from_env ? (fields["env"].empty() ? id : fields["env"]) : id;
    if (from_env) {
        const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
        if (value == nullptr) {
            throw InputError(fmt::format("--secret {}: the variable {} is not set", text, name));
        }
        return {id, value};
    }
    return {id, read_file(fields["src"].empty() ? id : fields["src"], kMaxSecret)};
}

}  // namespace drydock
