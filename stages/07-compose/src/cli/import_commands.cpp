// history, import.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "01-chroot/check.hpp"
#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "07-compose/cli/format.hpp"
#include "07-compose/cli/rows.hpp"

#include "verb_flags.hpp"

namespace drydock::cli {
namespace {

using nlohmann::json;

json history_row(const json& layer, bool whole, bool exact) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
    const auto id = layer.value("Id", "");
    const auto size = layer.value("Size", std::uint64_t{0});
    constexpr std::size_t kWidth = 45;
    const auto by = layer.value("CreatedBy", "");
    return {{"ID", whole || id == "<missing>" ? id : short_id(id)},
            {"CreatedSince",
             human_duration(seconds - layer.value("Created", std::int64_t{0})) + " ago"},
            {"CreatedBy", whole ? by : ellipsis(by, kWidth)},
            {"Size", exact ? std::to_string(size) : human_size(size)},
            {"Comment", layer.value("Comment", "")}};
}

}  // namespace

int run_history(const Invocation& invocation) {
    CLI::App app("Shows the steps that an image was made in, the last one first");
    prepare(app, invocation);
    std::string image;
    std::string format;
    bool quiet = false;
    bool whole = false;
    bool human = true;
    app.add_flag("-q,--quiet", quiet, "only IDs");
    app.add_flag("--no-trunc", whole, "nothing shortened");
    app.add_flag("-H,--human,!--human=false", human, "sizes as people read them");
    app.add_option("--format", format, "a Go template, or json")->type_name("FORMAT");
    app.add_option("IMAGE", image, "name or ID")->required()->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    std::vector<json> rows;
    for (const json& layer : invocation.engine().get(path_of({"images", image, "history"}))) {
        rows.push_back(history_row(layer, whole, !human));
    }
    fmt::print("{}", list_text({.columns = {{"IMAGE", "ID"},
                                            {"CREATED", "CreatedSince"},
                                            {"CREATED BY", "CreatedBy"},
                                            {"SIZE", "Size"},
                                            {"COMMENT", "Comment"}},
                                .format = format,
                                .quiet = quiet},
                               rows));
    return 0;
}

int run_import(const Invocation& invocation) {
    CLI::App app("Makes an image of the files in an archive, as export wrote them");
    prepare(app, invocation);
    std::string file;
    std::string name;
    std::string message;
    std::vector<std::string> changes;
    add_list(app, "-c,--change", changes, "a line of a Dockerfile, like 'CMD [\"sh\"]'")
        ->type_name("LINE");
    app.add_option("-m,--message", message, "a comment on it")->type_name("TEXT");
    app.add_option("FILE", file, "the archive; - for standard input")->required()->type_name("");
    app.add_option("NAME", name, "NAME[:TAG] of the image")->type_name("");
    if (const auto status = parse(app, invocation)) {
        return *status;
    }
    const UniqueFd opened = file == "-" ? UniqueFd() : open_file(file, O_RDONLY);
    const int from = opened ? opened.get() : STDIN_FILENO;
    Query query = {{"fromSrc", "-"}, {"repo", name}};
    if (!message.empty()) {
        query.emplace_back("message", message);
    }
    for (const std::string& change : changes) {
        query.emplace_back("changes", change);
    }
    Exchange answer = invocation.engine().upload("/images/create", query, [&](Exchange& upload) {
        std::array<char, 65536> buffer{};
        while (const ssize_t n =
                   check(::read(from, buffer.data(), buffer.size()), "read({})", file)) {
            upload.write_body({buffer.data(), static_cast<std::size_t>(n)});
        }
    });
    std::string text;
    while (const auto bytes = answer.read_some()) {
        text += *bytes;
    }
    const json line = json::parse(text.substr(0, text.find('\n')), nullptr, false);
    if (!line.is_object() || line.contains("error")) {
        throw InputError(
            fmt::format("{}: {}", file, line.is_object() ? line["error"].dump() : text));
    }
    fmt::print("{}\n", line.value("status", ""));
    return 0;
}

}  // namespace drydock::cli
